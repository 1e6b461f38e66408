import numpy as np
import pytest

from nanonet.records import InputError
from simulate.crystals import crystal
from simulate.structures import (
    FlatSlab,
    ParticleRecipe,
    SawToothSlab,
    SteppedSlab,
    ZoneAxis,
    make_particle,
)
from simulate.truth import columns_of

SLABS = [FlatSlab(), SteppedSlab(), SawToothSlab()]


def slab(shape, *, depth=(3, 10), seed=0, diameter=50.0, in_plane=(0.0, 0.0)):
    recipe = ParticleRecipe(
        shapes=[shape],
        diameter=(diameter, diameter),
        depth=depth,
        orientation=ZoneAxis(axes=[[1, 1, 0]], mistilt=0, in_plane=in_plane),
    )
    return make_particle(recipe, np.random.default_rng(seed))


def in_window(particle):
    """Cations within the square that images may show, in a frame with the surface's normal along y."""
    normal = particle.sites.rotation @ np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    aside = np.cross([0, 0, 1], normal)
    places = particle.sites.positions[particle.occupied & particle.sites.counted]
    inside = (np.abs(places[:, :2]) <= particle.about["window"][0][1]).all(axis=1)
    return places[inside] @ np.array([aside, normal, [0, 0, 1]]).T


@pytest.mark.parametrize("shape", SLABS)
@pytest.mark.parametrize("seed", range(3))
def test_the_bulk_fills_the_window_up_to_its_edges(shape, seed):
    """Below the surface no hole and no end within the window, at any angle: every column is there."""
    particle = slab(shape, seed=seed, in_plane=(0.0, 360.0))
    columns = columns_of(particle.atoms()).counted()
    half = particle.about["window"][0][1]
    normal = particle.sites.rotation @ np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    grid = np.stack(np.meshgrid(*[np.linspace(-half, half, 40)] * 2), axis=-1).reshape(-1, 2)
    depth = particle.about["surface_level_angstrom"] - grid @ normal[1::-1]
    deep = grid[depth > 14.0]  # below every step and tooth
    from scipy.spatial import cKDTree

    assert len(deep) > 100
    assert cKDTree(columns.positions).query(deep)[0].max() < 5.4113 / np.sqrt(2)


@pytest.mark.parametrize("shape", SLABS)
def test_it_is_3_to_10_cations_deep(shape):
    depths = [columns_of(slab(shape, seed=seed).atoms()).counted().depths.max() for seed in range(12)]
    assert min(depths) >= 2
    assert max(depths) <= 10
    assert len(set(depths)) > 3


def test_a_flat_surface_is_one_layer():
    places = in_window(slab(FlatSlab(wedge=(0, 0))))
    tops = [places[np.abs(places[:, 0] - x) < 2.8, 1].max() for x in np.arange(-18, 19, 4.0)]
    assert np.ptp(tops) < 1e-6


def test_a_stepped_surface_has_terraces_a_whole_number_of_layers_apart():
    spacing = 5.4113 / (2 * np.sqrt(2))
    places = in_window(slab(SteppedSlab(wedge=(0, 0), terrace=(8, 14)), seed=1))
    tops = np.array([places[np.abs(places[:, 0] - x) < 2.8, 1].max() for x in np.arange(-22, 22, 2.0)])
    steps = (tops - tops.min()) / spacing
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert len(np.unique(np.rint(steps))) > 1


def test_the_sides_of_teeth_are_111_facets():
    solid = SawToothSlab(wedge=(0, 0)).solid(crystal("CeO2"), 50.0, np.random.default_rng(0))
    rise, fall = solid.profile.slopes
    # Between (110) and (111) lie 35.26°.
    assert np.degrees(np.arctan([rise, fall])) == pytest.approx([35.264, -35.264], abs=1e-3)
    places = in_window(slab(SawToothSlab(wedge=(0, 0), tooth=(20, 20), roughness=0)))
    tops = np.array([places[np.abs(places[:, 0] - x) < 1.5, 1].max() for x in np.arange(-22, 22, 3.0)])
    assert 4.0 < np.ptp(tops) < 11.0  # half a tooth times tan 35° is 7.1 Å, layers are 1.9 Å apart


def test_a_wedge_grows_thicker_into_the_bulk():
    particle = slab(FlatSlab(wedge=(40, 40), thickness=(8, 8)), depth=None)
    columns = columns_of(particle.atoms()).counted()
    normal = particle.sites.rotation @ np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    depth = particle.about["surface_level_angstrom"] - columns.positions @ normal[1::-1]
    thickness = columns.depths * 5.4113 / np.sqrt(2)
    line = np.polyfit(depth, thickness, 1)
    assert line[0] == pytest.approx(2 * np.tan(np.radians(20)), rel=0.05)
    assert line[1] == pytest.approx(8.0, abs=1.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FlatSlab(along=(0, 0, 1), surface="111"), "must lie in the surface"),
        (lambda: SawToothSlab(facets=("1-11", "1-11")), "two sides of a tooth"),
        (lambda: SawToothSlab(facets=("100", "010")), "two sides of a tooth"),
    ],
)
def test_slabs_that_make_no_sense_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make().solid(crystal("CeO2"), 50.0, np.random.default_rng(0))
    with pytest.raises(InputError, match="level"):
        FlatSlab(level=(-0.9, 0.0))
