import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.records import InputError
from simulate.crystals import SolidSolution, crystal, solid_solution
from simulate.structures import CoreShell, ParticleRecipe, RandomOrientation, Sphere, make_particle


def test_a_solid_solution_obeys_vegard_and_its_composition():
    alloy = solid_solution({"Pt": 0.25, "Ni": 0.75})
    assert alloy.lattice_constant == pytest.approx(0.25 * 3.9242 + 0.75 * 3.5240)
    recipe = ParticleRecipe(materials=[alloy], shapes=[Sphere()], diameter=(50, 50), depth=None)
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    share = (atoms.numbers == 78).mean()
    assert share == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / len(atoms)))


def test_a_solid_solution_has_no_order():
    """Of the neighbours of Pt as many are Pt as of all atoms (Warren-Cowley parameter 0)."""
    recipe = ParticleRecipe(
        materials=[solid_solution({"Pt": 0.5, "Ni": 0.5})], shapes=[Sphere()], diameter=(60, 60), depth=None
    )
    atoms = make_particle(recipe, np.random.default_rng(1)).atoms()
    pairs = cKDTree(atoms.positions).query_pairs(3.0, output_type="ndarray")
    platinum = atoms.numbers == 78
    alike = (platinum[pairs[:, 0]] == platinum[pairs[:, 1]]).mean()
    assert alike == pytest.approx(0.5, abs=0.02)


def test_compositions_are_drawn_from_a_range():
    kind = SolidSolution(elements=("Au", "Ag"), fraction=(0.1, 0.3))
    shares = [kind.draw(np.random.default_rng(i)).mixtures["Ag"]["Au"] for i in range(30)]
    assert 0.1 <= min(shares) < 0.14
    assert 0.26 < max(shares) <= 0.3
    assert set(kind.draw(np.random.default_rng(0)).counted) == {"Au", "Ag"}


def test_a_shell_is_as_thick_as_asked_for():
    recipe = ParticleRecipe(
        materials=["Ni"],
        shapes=[Sphere()],
        diameter=(60, 60),
        depth=None,
        orientation=RandomOrientation(),
        defects=[CoreShell(shell="Pt", thickness=(8.0, 8.0))],
    )
    particle = make_particle(recipe, np.random.default_rng(0))
    atoms = particle.atoms()
    radius = np.linalg.norm(atoms.positions, axis=1)
    shell = atoms.numbers == 78
    assert radius[shell].min() == pytest.approx(22.0, abs=1.8)
    assert radius[~shell].max() == pytest.approx(22.0, abs=1.8)
    assert abs(np.mean([radius[shell].min(), radius[~shell].max()]) - 22.0) < 0.8
    assert set(particle.specimen().thermal_displacements) == {"Ni", "Pt"}
    assert particle.sites.counted.all()
    assert particle.about["shell_angstrom"] == 8.0


def test_the_thinnest_shell_is_one_layer():
    """Every atom with a missing neighbour is of the shell, and few others."""
    recipe = ParticleRecipe(
        materials=["Ni"], diameter=(40, 40), depth=None, defects=[CoreShell(shell="Pt", thickness=(1.5, 1.5))]
    )
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    pairs = cKDTree(atoms.positions).query_pairs(2.9, output_type="ndarray")
    surface = np.bincount(pairs.ravel(), minlength=len(atoms)) < 12
    np.testing.assert_array_equal(atoms.numbers == 78, surface)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: solid_solution({"Pt": 0.5, "Ni": 0.2}), "add up to 1"),
        (lambda: solid_solution({"Pt": 0.5, "CeO2": 0.5}), "fcc metals"),
        (lambda: SolidSolution(fraction=(0.5, 1.5)), "fraction"),
        (lambda: SolidSolution(elements=("Pt",)), "two"),
        (lambda: CoreShell(shell="Xx"), "chemical elements"),
        (lambda: CoreShell(thickness=(5.0, 2.0)), "thickness"),
        (lambda: crystal("PtAu"), "no crystal"),
    ],
)
def test_bad_alloys_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
