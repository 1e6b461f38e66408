"""From pictures with instances to a checkpoint that segments: the whole way, with a small network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nanonet.cli.main import main
from nanonet.data.labelled_images import LabelledImages
from nanonet.data.particle_masks import ParticleMaskDataset
from nanonet.records import Micrograph
from nanonet.segment.network import segment
from nanonet.train.checkpoint import load_network
from nanonet.train.particle_mask_trust import calibrate_mask, evaluate_mask


def disc_image(rng: np.random.Generator, edge: int = 128) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.indices((edge, edge))
    labels = np.zeros((edge, edge), dtype=np.uint16)
    for number in range(1, 7):
        at = rng.uniform(10, edge - 10, 2)
        labels[(y - at[0]) ** 2 + (x - at[1]) ** 2 < rng.uniform(8, 14) ** 2] = number
    return np.where(labels > 0, 60, 180) + rng.normal(0, 12, labels.shape), labels


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for name in ("images", "instances"):
        (folder / name).mkdir()
    for number in range(10):
        picture, labels = disc_image(rng)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "instances" / f"{number}.png")
    return folder


def test_pictures_become_a_network_that_segments(labelled: Path, tmp_path: Path) -> None:
    words = (
        "experiment=particle_masks",
        f"labelled={labelled}",
        f"output={tmp_path / 'run'}",
        "model.width=8",
        "model.depth=2",
        "data.epoch_size=64",
        "data.validation_size=16",
        "data.num_workers=0",
        "data.dataset.crop_pixels=96",
        "data.dataset.diameter=[14,40]",
        "data.dataset.appearance=null",
        "module.optimizer.lr=1e-2",
        "trainer.max_epochs=5",
        "trainer=cpu",
    )
    assert main(["train", *words]) == 0
    card = (tmp_path / "run" / "checkpoint" / "card.md").read_text(encoding="utf-8")
    assert "# A network for particle mask" in card
    assert "pixels of any size" in card
    for measure in ("iou", "background_iou", "dice", "accuracy"):
        assert f"| {measure} |" in card
    network = load_network(tmp_path / "run", task="particle_mask")
    assert network.pixel_size is None
    picture, labels = disc_image(np.random.default_rng(77), edge=192)
    found = segment(Micrograph(image=picture.astype(np.float32), name="new"), network=network).labels
    both, either = ((found > 0) & (labels > 0)).sum(), ((found > 0) | (labels > 0)).sum()
    assert both / either > 0.6


class Threshold(torch.nn.Module):
    """Dark is inside, and far too sure of it."""

    classes = 2

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.head.weight[:, 0, 0, 0] = torch.tensor([-0.4, 0.01])
            self.head.bias[:] = torch.tensor([48.0, 0.0])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(image)


def test_a_calibration_divides_the_odds_and_moves_no_pixel_to_the_other_side(labelled: Path) -> None:
    network = Threshold()
    dataset = ParticleMaskDataset(LabelledImages(labelled), range(10), epoch_size=6, crop_pixels=64)
    image = dataset[0].image[None]
    with torch.inference_mode():
        before = network(image)
    temperature = calibrate_mask(network, dataset)
    assert temperature > 1.5
    with torch.inference_mode():
        after = network(image)
    assert torch.allclose(after[:, 0] * temperature, before[:, 0], atol=1e-3)
    assert torch.equal(after[:, 1], before[:, 1])
    again = calibrate_mask(network, dataset)
    assert again == pytest.approx(1.0, abs=0.03)
    names = [estimate.name for estimate in evaluate_mask(network, dataset)]
    assert names == ["iou", "background_iou", "dice", "background_dice", "accuracy"]
