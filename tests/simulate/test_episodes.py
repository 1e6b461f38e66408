from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanonet.data.symmetry import transform
from nanonet.records import InputError
from nanonet.workers.local import Local
from simulate.draw import ColumnSampler
from simulate.draw_frames import FrameSampler, state_path
from simulate.environments import AmorphousCarbon
from simulate.movies.episodes import Life, generate_episodes
from simulate.movies.processes.exchange import ColumnExchange
from simulate.shards.manifest import read_manifest
from simulate.shards.store import find_shards, read_shard, shard_path
from simulate.specimen import INSTANCE
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.exit_wave import Multislice
from simulate.tem.hrtem import HRTEM
from simulate.tem.microscope import Microscope
from simulate.tem.support import CarbonSupport, on_support
from simulate.truth import columns_of

BUSY = Life(states=3, processes=(ColumnExchange(gain_rate=0.5, loss_rate=0.5),))


@pytest.fixture(scope="module")
def make() -> partial[Path]:
    return partial(
        generate_episodes,
        structures=ParticleRecipe(diameter=(10.0, 12.0), depth=(2, 4)),
        imaging=HRTEM(multislice=Multislice(slice_thickness=4.0), diffuse_waves=0, padding=4.0),
        microscope=Microscope(dose=1e5),
        life=BUSY,
        cluster=Local(workers=1),
        seed=5,
    )


@pytest.fixture(scope="module")
def shards(make, tmp_path_factory) -> Path:
    return make(output=tmp_path_factory.mktemp("episodes") / "shards", n_structures=2)


def depths(folder: Path, number: int) -> dict[tuple[float, ...], int]:
    columns = columns_of(read_shard(folder, number).atoms).counted()
    return {
        tuple(np.round(place, 2)): int(depth)
        for place, depth in zip(columns.positions, columns.depths, strict=True)
    }


def test_the_states_of_a_particle_share_box_and_places_and_differ_in_depth(shards):
    assert find_shards(shards) == list(range(6))
    assert read_manifest(shards)["states"] == 3
    for particle in range(2):
        states = [depths(shards, 3 * particle + state) for state in range(3)]
        assert len({read_shard(shards, 3 * particle + state).side for state in range(3)}) == 1
        for before, after in pairwise(states):
            kept = set(before) & set(after)
            assert len(kept) > 0.5 * len(before)
            assert before != after
            assert any(before[place] != after[place] for place in kept) or set(before) != set(after)
    assert not set(depths(shards, 0)) & set(depths(shards, 3))


def test_what_is_missing_is_made_again_to_the_last_bit(shards, make):
    path = shard_path(shards, 4)
    whole = path.read_bytes()
    path.unlink()
    assert ColumnSampler(shards).structures == [0]
    make(output=shards, n_structures=2)
    assert path.read_bytes() == whole


def test_a_sampler_draws_every_state_and_splits_by_particle(shards):
    sampler = ColumnSampler(shards, crop_pixels=64)
    assert sampler.structures == [0, 1]
    seen = {len(sampler.draw(0, np.random.default_rng(seed)).positions) for seed in range(12)}
    assert len(seen) > 1


def test_surroundings_are_the_same_in_all_states(make, tmp_path):
    folder = make(
        output=tmp_path / "on_carbon", n_structures=1, environment=AmorphousCarbon(thickness=(6.0, 6.0))
    )
    around = [
        atoms.positions[atoms.arrays[INSTANCE] == 0]
        for atoms in (read_shard(folder, state).atoms for state in range(3))
    ]
    assert len(around[0]) > 50
    for other in around[1:]:
        np.testing.assert_allclose(other, around[0])


def test_frames_show_the_particle_of_the_middle_one_with_noise_of_their_own(shards):
    sampler = FrameSampler(shards, crop_pixels=64, frames=5, changes=0.0, shake=0.0, alone=0.0, at_end=0.0)
    sample = sampler.draw(0, np.random.default_rng(0))
    assert sample.image.shape == (5, 64, 64)
    residual = sample.image - sample.image.mean(axis=0)
    expected = sample.image.mean() * 4 / 5  # Poisson, less what the mean of five takes away
    np.testing.assert_allclose((residual**2).mean(axis=(1, 2)), expected, rtol=0.2)


def test_a_frame_that_stands_alone_is_its_own_neighbour(shards):
    sampler = FrameSampler(shards, crop_pixels=32, frames=7, alone=1.0, at_end=0.0)
    image = sampler.draw(1, np.random.default_rng(3)).image
    np.testing.assert_array_equal(image, np.broadcast_to(image[3], image.shape))


def test_beyond_the_ends_of_a_movie_frames_are_mirrored(shards):
    sampler = FrameSampler(shards, crop_pixels=32, frames=7, alone=0.0, at_end=1.0)
    pairs = set()
    for seed in range(30):
        image = sampler.draw(0, np.random.default_rng(seed)).image
        same = [(i, j) for i in range(7) for j in range(i) if np.array_equal(image[i], image[j])]
        sums = {i + j for i, j in same}
        assert len(sums) == 1  # one place to mirror at, and it is no further inside than the middle
        turn = sums.pop() / 2
        assert turn == int(turn)
        assert (6 - turn if turn >= 3 else turn) == len(same)
        pairs.add(int(turn))
    assert pairs == {1, 2, 3, 4, 5}


def test_all_frames_have_the_same_film_behind_a_particle_that_changes(shards):
    film = CarbonSupport(chance=1.0, thickness=40.0)
    sampler = FrameSampler(
        shards, crop_pixels=160, frames=5, changes=4.0, shake=0.5, alone=0.0, at_end=0.0, support=film
    )
    corners = sampler.draw(0, np.random.default_rng(6)).image[:, :32, :32]
    grain = gaussian_filter(corners, (0, 3, 3)).reshape(5, -1)  # wider than what a shake moves it by
    assert np.corrcoef(grain).min() > 0.5
    other = sampler.draw(0, np.random.default_rng(7)).image[:, :32, :32]
    assert abs(np.corrcoef(grain[0], gaussian_filter(other[0], 3).ravel())[0, 1]) < 0.4


def test_the_film_behind_all_states_of_a_stack_has_one_box(shards, monkeypatch):
    """Its grain follows from the box: states whose frames reach out to different sides share the widest."""
    sides = []

    def noting(*arguments, **options):
        stored, side = on_support(*arguments, **options)
        sides.append(side)
        return stored, side

    monkeypatch.setattr("simulate.draw.on_support", noting)
    film = CarbonSupport(chance=1.0, thickness=40.0)
    sampler = FrameSampler(
        shards, crop_pixels=160, frames=5, changes=4.0, shake=8.0, alone=0.0, at_end=0.0, support=film
    )
    for seed in range(4):
        sides.clear()
        sampler.draw(0, np.random.default_rng(seed))
        assert len(sides) > 1
        assert len(set(sides)) == 1


def test_labels_follow_the_middle_frame(shards):
    """With changes in every frame, the labels are those of a state whose image is in the middle."""
    sampler = FrameSampler(shards, crop_pixels=64, frames=3, changes=2.0, shake=0.3, alone=0.0, at_end=0.0)
    still = FrameSampler(shards, crop_pixels=64, frames=1, changes=0.0, alone=0.0, at_end=0.0)
    sample = sampler.draw(0, np.random.default_rng(4))
    assert len(sample.positions) == len(sample.depths) > 3
    assert still.draw(0, np.random.default_rng(4)).image.shape == (1, 64, 64)


def test_a_walk_goes_to_neighbouring_states_both_ways():
    rng = np.random.default_rng(0)
    paths = np.array([state_path(3, 7, 1.5, rng) for _ in range(4000)])
    steps = np.diff(paths, axis=1)
    assert set(np.unique(paths)) == {0, 1, 2}
    assert set(np.unique(steps)) == {-1, 0, 1}
    assert (steps != 0).sum(axis=1).mean() == pytest.approx(1.5, abs=0.1)
    assert (steps > 0).sum() == pytest.approx((steps < 0).sum(), rel=0.05)
    assert (state_path(1, 7, 0.0, rng) == 0).all()


def test_symmetries_keep_frames_in_order(shards):
    sampler = FrameSampler(shards, crop_pixels=32, frames=3, alone=0.0, at_end=0.0)
    sample = sampler.draw(0, np.random.default_rng(1))
    turned = transform(sample, flip_y=True, flip_x=False, swap=True)
    np.testing.assert_array_equal(turned.image, np.swapaxes(sample.image[:, ::-1], 1, 2))
    back = transform(turned, flip_y=False, flip_x=True, swap=True)
    np.testing.assert_array_equal(back.image, sample.image)
    np.testing.assert_allclose(back.positions, sample.positions, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"frames": 4}, "odd"), ({"changes": -1.0}, "changes"), ({"alone": 0.8, "at_end": 0.4}, "shares")],
)
def test_a_frame_sampler_refuses_what_makes_no_sense(shards, change, says):
    with pytest.raises(InputError, match=says):
        FrameSampler(shards, **change)


def test_particles_without_a_life_make_no_movie(make, tmp_path):
    folder = make(output=tmp_path / "still", n_structures=1, life=Life(states=1))
    with pytest.raises(InputError, match="make=episodes"):
        FrameSampler(folder)
    with pytest.raises(InputError, match="states"):
        replace(BUSY, states=0)
    with pytest.raises(InputError, match="interval"):
        replace(BUSY, interval=0.0)
