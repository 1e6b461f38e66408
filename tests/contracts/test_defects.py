"""What every defect promises; a new kind adds a line to DEFECTS."""

import functools
import json

import numpy as np
import pytest
from crystal_pieces import piece

from nanonet.records import InputError
from simulate.defects import (
    Adatoms,
    AnionVacancies,
    CationVacancies,
    CoreShellStrain,
    Dislocation,
    OneOf,
    RaggedEnds,
    Roughness,
    Sometimes,
    StackingFault,
    StaticDisorder,
    Steps,
    StrainField,
    SurfaceRelaxation,
    Twin,
)
from simulate.defects.filling import connected
from simulate.defects.surroundings import crowded
from simulate.truth import columns_of

DEFECTS = {
    "steps": Steps(count=(2, 3)),
    "ragged_ends": RaggedEnds(chance=0.5),
    "adatoms": Adatoms(chance=0.2),
    "roughness": Roughness(removed=(0.1, 0.2), added=(0.05, 0.1)),
    "cation_vacancies": CationVacancies(fraction=(0.03, 0.06)),
    "anion_vacancies": AnionVacancies(fraction=(0.1, 0.2)),
    "twin": Twin(),
    "lamella": Twin(count=(2, 2)),
    "inclined_twin": Twin(edge_on=False),
    "stacking_fault": StackingFault(extrinsic=0.0),
    "extrinsic_fault": StackingFault(extrinsic=1.0),
    "edge": Dislocation(characters=["edge"]),
    "mixed": Dislocation(characters=["mixed"], dissociation=(5.0, 10.0)),
    "screw": Dislocation(characters=["screw"], end_on=False),
    "surface_relaxation": SurfaceRelaxation(metal=(-0.06, -0.05), oxide=(0.04, 0.05)),
    "strain_field": StrainField(rms=(0.005, 0.01)),
    "core_shell_strain": CoreShellStrain(misfit=(0.03, 0.04)),
    "static_disorder": StaticDisorder(displacement=(0.2, 0.2)),
    "sometimes": Sometimes(defect=Twin(), chance=1.0),
    "one_of": OneOf(defects=[Steps(count=(2, 2)), Twin()]),
}
PIECES = {
    "Au along [110]": ("Au", (1, 1, 0)),
    "CeO2 along [110]": ("CeO2", (1, 1, 0)),
    "Pt along [001]": ("Pt", (0, 0, 1)),
    "Ni along nothing": ("Ni", None),
}
# Ions and atoms that a defect rightly leaves alone.
UNTOUCHED = {
    ("anion_vacancies", "Au"),
    ("anion_vacancies", "Pt"),
    ("anion_vacancies", "Ni"),
    ("stacking_fault", "CeO2"),
    ("extrinsic_fault", "CeO2"),
    ("ragged_ends", "Ni"),
}


@pytest.fixture(params=sorted(DEFECTS))
def kind(request):
    return request.param


@pytest.fixture(params=sorted(PIECES))
def perfect(request):
    return cut(request.param)


@pytest.fixture
def faulty(kind, perfect):
    return apply_to(kind, id(perfect))


@functools.cache
def cut(name):
    return piece(*PIECES[name], radius=9.5, seed=2)


@functools.cache
def apply_to(kind, which):
    perfect = next(cut(name) for name in PIECES if id(cut(name)) == which)
    return DEFECTS[kind].apply(perfect, np.random.default_rng(7))


def test_something_changes_and_only_in_the_particle_returned(kind, perfect):
    before = [array.copy() for array in arrays(perfect)]
    after = DEFECTS[kind].apply(perfect, np.random.default_rng(7))
    for array, copy in zip(arrays(perfect), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    same = len(after.atoms()) == len(perfect.atoms()) and np.allclose(
        np.sort(after.atoms().positions, axis=0), np.sort(perfect.atoms().positions, axis=0)
    )
    assert same == ((kind, perfect.sites.crystal.name) in UNTOUCHED)


def test_it_follows_from_the_generator_only(kind, perfect, faulty):
    again = DEFECTS[kind].apply(perfect, np.random.default_rng(7))
    for one, other in zip(arrays(faulty), arrays(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert faulty.about == again.about


def test_no_atoms_are_crowded_and_none_float(faulty):
    assert len(crowded(faulty)) == 0
    np.testing.assert_array_equal(connected(faulty, faulty.occupied), faulty.occupied)


def test_sites_stay_what_they_are_and_in_order(perfect, faulty):
    sites = faulty.sites
    np.testing.assert_array_equal(np.sort(sites.numbers), np.sort(perfect.sites.numbers))
    np.testing.assert_array_equal(sites.counted, sites.numbers != 8)
    np.testing.assert_array_equal(np.sort(sites.luck), np.sort(perfect.sites.luck))
    order = np.lexsort((sites.positions[:, 2], sites.columns))
    np.testing.assert_array_equal(order, np.arange(len(sites)))
    assert faulty.displacements.shape == sites.positions.shape
    assert faulty.occupied.shape == (len(sites),)
    assert np.isfinite(faulty.displacements).all()


def test_columns_are_lines_along_the_beam(faulty):
    sites = faulty.sites
    for column in np.unique(sites.columns[sites.columns >= 0]):
        places = sites.positions[sites.bounds(int(column))]
        assert np.ptp(places[:, :2], axis=0).max() < 0.01
        assert (np.diff(places[:, 2]) > 0.5).all()
    depths = columns_of(faulty.atoms()).depths
    assert depths.sum() == (faulty.occupied & sites.counted & (sites.columns >= 0)).sum()


def test_what_was_drawn_is_noted_as_plain_facts(faulty, perfect):
    defects = json.loads(json.dumps(faulty.about))["defects"]
    assert [defect["kind"] for defect in defects]
    assert faulty.about["shape"] == perfect.about["shape"]
    assert "defects" not in perfect.about


def test_composition_hardly_changes(kind, perfect, faulty):
    counted = perfect.occupied & perfect.sites.counted
    left = faulty.occupied & faulty.sites.counted
    assert 0.5 < left.sum() / counted.sum() < 1.3
    if not perfect.sites.counted.all():
        ratio = (faulty.occupied.sum() - left.sum()) / left.sum()
        assert 1.4 < ratio < 2.2
        if kind != "anion_vacancies":
            assert ratio > 1.75


def test_all_at_once(perfect):
    faulty = perfect
    for kind in DEFECTS:
        faulty = DEFECTS[kind].apply(faulty, np.random.default_rng(3))
    assert len(crowded(faulty)) == 0
    assert len(faulty.about["defects"]) == len(DEFECTS)


def test_a_particle_of_few_atoms_survives_or_is_refused(kind):
    tiny = piece("CeO2", (1, 1, 0), radius=3.0, seed=1)
    try:
        assert DEFECTS[kind].apply(tiny, np.random.default_rng(0)).occupied.any()
    except InputError as refused:
        assert "enlarge diameter" in str(refused)  # noqa: PT017  (either is right)


def arrays(particle):
    sites = particle.sites
    return [
        sites.positions,
        sites.numbers,
        sites.columns,
        sites.counted,
        sites.luck,
        particle.occupied,
        particle.displacements,
    ]


@pytest.mark.parametrize(
    ("defect", "values", "message"),
    [
        (Steps, {"count": (3, 1)}, "count must be"),
        (Steps, {"layers": (0, 1)}, "layers must be"),
        (RaggedEnds, {"chance": 1.5}, "chance must be"),
        (Adatoms, {"chance": -0.1}, "chance must be"),
        (CationVacancies, {"fraction": 1.2}, "fraction must be"),
        (AnionVacancies, {"relaxation": (0.0, 3.0)}, "relaxation must be"),
        (AnionVacancies, {"decay": 0.0}, "decay must be"),
        (Twin, {"offset": (-2.0, 0.0)}, "offset must be"),
        (StackingFault, {"extrinsic": 2.0}, "extrinsic must be"),
        (Dislocation, {"characters": ["loop"]}, "edge, mixed, screw"),
        (Dislocation, {"characters": []}, "edge, mixed, screw"),
        (Roughness, {"correlation": (0.0, 5.0)}, "correlation must be"),
        (SurfaceRelaxation, {"metal": (-3.0, 0.0)}, "metal must be"),
        (StrainField, {"rms": (0.0, 0.5)}, "rms must be"),
        (StrainField, {"dilation": (0.0, float("nan"))}, "dilation must be"),
        (CoreShellStrain, {"core": (0.0, 2.0)}, "core must be"),
        (StaticDisorder, {"displacement": (0.1, 2.0)}, "displacement must be"),
        (Sometimes, {"defect": Twin(), "chance": 2.0}, "chance must be"),
        (OneOf, {"defects": []}, "at least one"),
    ],
)
def test_bad_values_are_refused_in_one_line(defect, values, message):
    with pytest.raises(InputError, match=message) as caught:
        defect(**values)
    assert "\n" not in str(caught.value)
