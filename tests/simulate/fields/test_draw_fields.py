"""Training images of fields: what is hidden is not known of, what is on a support is told from it."""

from pathlib import Path

import numpy as np
import pytest

from nanonet.records import InputError
from simulate.draw_fields import FieldSampler
from simulate.fields import (
    FieldBrightField,
    FieldHAADF,
    FieldRecipe,
    OxideSupport,
    draw_field,
    generate_fields,
)
from simulate.fields.annotation import Annotation
from simulate.fields.visibility import visible

RECIPE = FieldRecipe(shape=(96, 96), count=(6, 10), pixel_size=(4.0, 6.0), resolution=(10.0, 24.0))


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields") / "bf"
    return generate_fields(recipe=RECIPE, imaging=FieldBrightField(), output=folder, n_structures=3)


def disc(
    radius: float, height: float, ground: float = 100.0, edge: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.indices((edge, edge))
    labels = (np.hypot(y - edge / 2, x - edge / 2) < radius).astype(np.int32)
    return np.where(labels > 0, ground + height, ground).astype(np.float32), labels


@pytest.mark.parametrize(("radius", "height"), [(2.0, 16.0), (8.0, 4.0), (8.0, -4.0)])
def test_a_disc_is_visible_from_five_standard_deviations_of_its_mean_on(radius: float, height: float) -> None:
    electrons, labels = disc(radius, height)
    deviations = abs(height) * np.sqrt(labels.sum() / (100.0 + height))
    for share, expected in ((6.0, True), (4.0, False)):
        factor = (share / deviations) ** 2  # of the dose
        assert visible(electrons * factor, labels)[1] == expected


def test_readout_noise_and_grain_hide_what_counting_would_show() -> None:
    electrons, labels = disc(8.0, 5.0)
    assert visible(electrons, labels)[1]
    assert not visible(electrons, labels, readout=20.0)[1]
    rough = electrons + np.random.default_rng(0).normal(0, 12, electrons.shape).astype(np.float32)
    assert not visible(rough, labels)[1]


def test_an_image_is_that_of_its_field_and_follows_from_its_generator(fields: Path) -> None:
    sampler = FieldSampler(str(fields), counts=(500.0, 600.0))
    assert len(sampler.structures) == 3
    one, again = (sampler.draw(1, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.image, again.image)
    assert one.instances.max() > 2
    assert one.pixel_size is not None
    assert 4.0 <= one.pixel_size <= 6.0
    dark = one.image[one.instances > 0].mean()
    assert dark < 0.95 * one.image[one.instances == 0].mean()


def test_at_few_counts_less_is_known(fields: Path) -> None:
    def known(counts: float) -> int:
        sampler = FieldSampler(str(fields), counts=(counts, counts))
        drawn = [sampler.draw(i, np.random.default_rng(i)).instances for i in sampler.structures]
        return sum(int((instances > 0).sum()) for instances in drawn)

    assert known(0.05) < 0.6 * known(1000.0)


def test_fields_may_count_together_and_each_is_drawn(fields: Path) -> None:
    sampler = FieldSampler(str(fields), together=2)
    assert len(sampler.structures) == 2
    rng = np.random.default_rng(0)
    sizes = {float(sampler.draw(0, rng).pixel_size or 0) for _ in range(20)}
    assert len(sizes) == 2
    assert sampler.draw(1, rng).pixel_size not in sizes


def test_letters_hide_particles_and_are_none(fields: Path) -> None:
    plain = FieldSampler(str(fields), counts=(1000.0, 1000.0))
    written = FieldSampler(
        str(fields), counts=(1000.0, 1000.0), annotation=Annotation(bar=1.0, letter=1.0, strip=1.0)
    )
    for structure in plain.structures:
        before = plain.draw(structure, np.random.default_rng(3))
        after = written.draw(structure, np.random.default_rng(3))
        ink = after.image != before.image
        assert ink.mean() > 0.02
        assert (after.instances[ink] <= 0).all()
        assert (after.instances[ink & (before.instances == 0)] == 0).all()
        np.testing.assert_array_equal(after.instances[~ink], before.instances[~ink])


def test_what_cannot_be_drawn_from_is_refused(fields: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no fields"):
        FieldSampler(str(tmp_path))
    with pytest.raises(InputError, match="together must be 1"):
        FieldSampler(str(fields), together=0)


def with_support(**given: object) -> FieldRecipe:
    from dataclasses import replace

    return replace(RECIPE, film=None, support=OxideSupport(chance=1.0, coverage=0.6, **given))


@pytest.mark.parametrize("imaging", [FieldBrightField(), FieldHAADF()])
def test_a_support_is_seen_and_no_particle(imaging: FieldBrightField | FieldHAADF) -> None:
    bare = draw_field(RECIPE, imaging, 3, 1)
    there = draw_field(with_support(), imaging, 3, 1)
    np.testing.assert_array_equal(there.truth.labels, bare.truth.labels)
    grains = np.zeros(there.truth.labels.shape, dtype=bool)
    for outline in there.truth.support:
        image, own = outline.clip(grains.shape)
        grains[image] |= outline.mask[own]
    assert 0.1 < grains.mean() < 0.9
    nothing = ~grains & (there.truth.labels == 0)
    on = there.image.intensity[grains & (there.truth.labels == 0)].mean()
    off = there.image.intensity[nothing].mean()
    assert on < 0.97 * off if there.image.modality == "BF-TEM" else on > off + 1e-3
    atoms = there.truth.atoms_per_area()
    assert atoms["O"][grains].mean() > 10 * atoms["O"][nothing].mean()


def test_an_amorphous_support_loses_nothing_to_reflections() -> None:
    focused = FieldBrightField(defocus=0.0, Cs=0.0, astigmatism=0.0)
    one, other = (
        draw_field(with_support(amorphous=share, materials=("CeO2",)), focused, 5, 1) for share in (0.0, 1.0)
    )
    grains = np.zeros(one.truth.labels.shape, dtype=bool)
    for outline in one.truth.support:
        image, own = outline.clip(grains.shape)
        grains[image] |= outline.mask[own]
    crystalline, amorphous = one.image.intensity, other.image.intensity
    assert crystalline[grains].mean() < 0.98 * amorphous[grains].mean()
    assert crystalline[~grains].mean() == pytest.approx(amorphous[~grains].mean(), rel=0.01)


def test_a_support_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"chance must be in 0\.\.1"):
        OxideSupport(chance=1.5)
    with pytest.raises(InputError, match="at least one of materials"):
        OxideSupport(materials=())
