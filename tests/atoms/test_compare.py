"""Models compared: whatever way they lie, with what errors and noise alone explain."""

import numpy as np
import pytest
from ase.cluster import Octahedron
from scipy.spatial.transform import Rotation

from nanonet.atoms.compare import Model, by_noise, compare, in_every, noise_like
from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.detect import detect
from nanonet.atoms.noise import spectrum

PT = crystal_of("Pt")
SITES = Octahedron("Pt", 10, 3, latticeconstant=3.92).get_positions()
ERROR = 0.08


def model(seed: int, **changes: object) -> Model:
    rng = np.random.default_rng(seed)
    positions = SITES + rng.normal(scale=ERROR, size=SITES.shape)
    return Model(name=str(seed), positions=positions, errors=np.full(positions.shape, ERROR))


@pytest.mark.parametrize("turned", [False, True])
def test_what_changed_is_found_however_the_models_lie(turned: bool) -> None:
    now, before = model(0), model(1)
    rng = np.random.default_rng(2)
    places = before.positions.copy()
    places[40] += 0.6  # displaced
    extra = places.max(0) + 3.0  # lost since
    kept = np.arange(len(places)) >= 3  # the first three are gained
    positions = np.concatenate([places[kept], extra[None]])
    if turned:
        positions = positions @ Rotation.random(rng=rng).as_matrix().T + 11.0
    found = compare(now, Model(name="b", positions=positions, errors=np.full(positions.shape, ERROR)), PT)
    counts = found.counts
    assert counts["common"] == len(SITES) - 3
    assert counts["gained"] == 3
    assert counts["lost"] == 1
    assert 1 <= counts["displaced"] <= 3
    assert found.rmsd == pytest.approx(ERROR * np.sqrt(6), abs=0.03)
    if not turned:
        assert found.own[found.displaced][found.distances[found.displaced].argmax()] == 40
        assert found.gained.tolist() == [0, 1, 2]


def test_p_values_are_even_where_nothing_moved() -> None:
    found = compare(model(3), model(4), PT)
    assert found.displaced.sum() <= 1  # one comparison in twenty may have one
    assert np.mean(found.p_values < 0.5) == pytest.approx(0.5, abs=0.07)


def test_unknown_errors_give_no_verdict() -> None:
    nameless = Model(name="x", positions=SITES, errors=np.full(SITES.shape, np.nan))
    found = compare(model(5), nameless, PT)
    assert np.isnan(found.p_values).all()
    assert not found.displaced.any()
    assert found.counts["common"] == len(SITES)


def test_the_common_core_is_what_all_have() -> None:
    now, one, other = model(6), model(7), model(8)
    less = [Model(name="", positions=m.positions[k:], errors=m.errors[k:]) for m, k in ((one, 2), (other, 5))]
    shared = in_every(len(now), [compare(now, m, PT) for m in less])
    assert shared.sum() == len(SITES) - 5


def test_noise_of_a_map_is_made_anew_with_its_spectrum(particle) -> None:
    found = detect(particle.map(25.0), PT)
    drawn = noise_like(found.scene, np.random.default_rng(0))
    assert spectrum(drawn, 0.36).power[5:20] == pytest.approx(
        np.interp(
            spectrum(drawn, 0.36).frequency[5:20], found.scene.noise.frequency, found.scene.noise.power
        ),
        rel=0.2,
    )
    (chance,) = by_noise(found, detect, PT, 1, np.random.default_rng(1))
    assert chance.counts["common"] >= 199
    expected = np.sqrt(2 * (found.fit.position_errors**2).sum(axis=1).mean())
    assert chance.rmsd == pytest.approx(expected, rel=0.15)
