"""Kinetics: rates, balance and conservation; tracks; rigid motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.records import InputError
from simulate.movies.evolve import Recorder, advance
from simulate.movies.lattice import World, make_lattice
from simulate.movies.motion import Approach, Still, Tumbling
from simulate.movies.process import BOLTZMANN, gains, losses
from simulate.movies.processes.exchange import ColumnExchange
from simulate.movies.processes.growth import Growth
from simulate.movies.processes.hops import Hops
from simulate.movies.processes.vacancies import CationVacancies, OxygenVacancies
from simulate.movies.track import Track, make_track, read_track, write_track
from simulate.movies.zones import family
from simulate.structures.orientation import ZoneAxis
from simulate.structures.particle import Particle
from simulate.structures.recipe import ParticleRecipe, make_particle
from simulate.truth import columns_of

TIMES = np.arange(5) * 2.0


def particle(material: str = "CeO2", seed: int = 1, **other: object) -> Particle:
    recipe = {"diameter": (16.0, 16.0), "depth": (4, 4), "orientation": ZoneAxis(mistilt=0.0)}
    return make_particle(
        ParticleRecipe(materials=(material,), **{**recipe, **other}), np.random.default_rng([seed, 0])
    )


@pytest.fixture(scope="module")
def ceria() -> Particle:
    return particle()


@pytest.fixture(scope="module")
def gold() -> Particle:
    return particle("Au")


def world_of(*particles: Particle) -> World:
    return World(make_lattice(particles), np.concatenate([p.occupied for p in particles]))


def ragged(at: Particle, seed: int, fraction: float = 0.15) -> Particle:
    """Return the particle without some of its atoms, taken at random, so that all coordinations occur."""
    rng = np.random.default_rng(seed)
    return replace(at, occupied=at.occupied & (rng.uniform(size=len(at.occupied)) > fraction))


class Blink:
    """Every counted site fills and empties at one rate, whatever happens around it."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def moves(self, world: World):
        own = world.lattice.counted
        return [
            gains(np.flatnonzero(own & ~world.occupied), self.rate),
            losses(np.flatnonzero(own & world.occupied), self.rate),
        ]


def test_events_of_constant_rates_are_poissons(gold: Particle) -> None:
    world = world_of(gold)
    mean = 0.02 * world.lattice.counted.sum() * 1.0
    counts, times = [], []
    for seed in range(60):
        record = Recorder()
        advance(world, [Blink(0.02)], (0.0, 1.0), np.random.default_rng(seed), record)
        counts.append(len(record.rows))
        times += [row[0] for row in record.rows]
    assert np.mean(counts) == pytest.approx(mean, abs=4 * np.sqrt(mean / 60))
    assert np.var(counts, ddof=1) / mean == pytest.approx(1.0, abs=4 * np.sqrt(2 / 59))
    assert np.mean(times) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / len(times)))


def test_rim_columns_lose_and_gain_at_their_rates(ceria: Particle) -> None:
    world = world_of(ceria)
    lost, gained = (
        sum(float(moves.rates.sum()) for moves in process.moves(world))
        for process in (
            ColumnExchange(gain_rate=0.0, loss_rate=0.3),
            ColumnExchange(gain_rate=0.3, loss_rate=0.0, deepest=99),
        )
    )
    losing = ColumnExchange(gain_rate=0.0, loss_rate=0.3).moves(world)
    at = np.concatenate([moves.sources[moves.rates > 0] for moves in losing])
    rim = np.unique(world.lattice.columns[at])
    assert lost == pytest.approx(0.3 * len(rim))
    assert 4 < len(rim) < len(np.unique(ceria.sites.columns[ceria.occupied & ceria.sites.counted]))
    assert gained > 0.3 * len(rim) - 1e-9  # empty columns beside the particle may gain too
    assert world.occupied[at].all()


def test_no_column_grows_beyond_the_deepest(ceria: Particle) -> None:
    track = make_track(
        [ceria],
        [ColumnExchange(gain_rate=3.0, loss_rate=0.0)],
        Still(),
        TIMES[:3],
        np.random.default_rng(0),
    )
    depths = columns_of(track.atoms(2)).depths
    assert depths.max() == columns_of(ceria.atoms()).depths.max() == 4
    assert depths.sum() > 1.1 * columns_of(ceria.atoms()).depths.sum()


def energy_of(world: World) -> int:
    """Return the number of bonds between counted atoms."""
    filled = world.occupied & world.lattice.counted
    return int(world.coordination[filled].sum()) // 2


def test_hops_there_and_back_are_in_detailed_balance(gold: Particle) -> None:
    hops = Hops(rate=2.0, bond_energy=0.07, temperature=500.0)
    world = world_of(ragged(gold, 5))
    rng = np.random.default_rng(0)
    (moves,) = hops.moves(world)
    assert len(moves.rates) > 100
    for chosen in rng.choice(len(moves.rates), 40, replace=False):
        source, target = int(moves.sources[chosen]), int(moves.targets[chosen])
        bonds = energy_of(world)
        world.empty(source)
        world.fill(target, 79)
        (back,) = hops.moves(world)
        found = (back.sources == target) & (back.targets == source)
        change = -0.07 * (energy_of(world) - bonds)
        assert moves.rates[chosen] / back.rates[found] == pytest.approx(np.exp(-change / (BOLTZMANN * 500)))
        world.empty(target)
        world.fill(source, 79)


def test_hops_at_equal_energies_visit_both_places_alike(gold: Particle) -> None:
    hops = Hops(rate=1.0, bond_energy=0.0)
    (moves,) = hops.moves(world_of(ragged(gold, 5)))
    assert np.ptp(moves.rates) == 0.0


def test_attachment_and_detachment_are_in_detailed_balance() -> None:
    growth = Growth(driving=0.04, bond_energy=0.09, temperature=700.0)
    world = world_of(ragged(particle("Au", margin=8.0), 6))
    attach, _ = growth.moves(world)
    for site in attach.targets[::17]:
        bonds = energy_of(world)
        world.fill(int(site), 79)
        _, detach = growth.moves(world)
        gained = energy_of(world) - bonds
        rate = detach.rates[detach.sources == site]
        expected = np.exp((0.04 + (gained - 6) * 0.09) / (BOLTZMANN * 700))
        assert attach.rates[0] / rate == pytest.approx(expected)
        world.empty(int(site))


def test_the_world_stays_consistent_as_atoms_move(ceria: Particle) -> None:
    world = world_of(ceria)
    processes = [ColumnExchange(gain_rate=1.0, loss_rate=1.0), Hops(), OxygenVacancies(hop_rate=0.5)]
    advance(world, processes, (0.0, 1.0), np.random.default_rng(2), Recorder())
    fresh = World(world.lattice, world.occupied, world.numbers)
    for name in ("coordination", "held", "crowded"):
        np.testing.assert_array_equal(getattr(world, name), getattr(fresh, name))


@pytest.mark.parametrize("material", ["Au", "PtNi", "CeO2"])
def test_hops_keep_every_atom(material: str) -> None:
    from simulate.crystals import CRYSTALS

    if material not in CRYSTALS:
        pytest.skip(f"there is no {material}")
    start = particle(material)
    track = make_track([start], [Hops(rate=3.0)], Still(), TIMES, np.random.default_rng(3))
    assert (track.events.kinds == "hop").sum() > 20
    for moment in range(len(track)):
        atoms = track.atoms(moment)
        here, there = (x.numbers[x.arrays["counted"]] for x in (atoms, start.atoms()))
        np.testing.assert_array_equal(np.sort(here), np.sort(there))


def test_oxygen_vacancies_come_to_their_balance(ceria: Particle) -> None:
    process = OxygenVacancies(formation_rate=1.0, healing_rate=3.0, inside=1.0, hop_rate=0.3)
    world, rng = world_of(ceria), np.random.default_rng(4)
    bound = ~world.lattice.counted & (2 * world.held > 4)
    advance(world, [process], (0.0, 1.5), rng, Recorder())
    shares = []
    for _ in range(5):  # memory fades as exp(-4 t), so that these are independent
        advance(world, [process], (0.0, 0.7), rng, Recorder())
        shares.append(1 - world.occupied[bound].mean())
    assert np.mean(shares) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / (5 * bound.sum())))
    counted = world.lattice.counted
    np.testing.assert_array_equal(world.occupied[counted], ceria.occupied[counted])


def test_vacancies_leave_metals_without_anions_alone(gold: Particle) -> None:
    assert all(not len(moves.rates) for moves in OxygenVacancies().moves(world_of(gold)))


def test_cations_leave_from_inside_and_come_back(ceria: Particle) -> None:
    process = CationVacancies(formation_rate=0.2, healing_rate=0.2)
    track = make_track([ceria], [process], Still(), TIMES, np.random.default_rng(5))
    kinds = set(track.events.kinds)
    assert {"vacancy", "healing"} <= kinds
    left = track.events.sources[(track.events.kinds == "vacancy")]
    coordination = world_of(ceria).coordination
    assert coordination[left].min() >= 9


def test_anions_follow_their_cations(ceria: Particle) -> None:
    track = make_track(
        [ceria],
        [ColumnExchange(gain_rate=0.0, loss_rate=2.0)],
        Still(),
        TIMES[:2],
        np.random.default_rng(6),
    )
    atoms = track.atoms(1)
    cerium, oxygen = (atoms.positions[atoms.numbers == number] for number in (58, 8))
    first = ceria.atoms()
    assert len(cerium) < 0.8 * (first.numbers == 58).sum()
    assert 1.0 < len(oxygen) / len(cerium) < 2.6
    bonds = [len(near) for near in cKDTree(cerium).query_ball_point(oxygen, 2.6)]
    assert min(bonds) >= 2


def changes(track: Track, moment: int) -> dict[tuple[int, int], int]:
    """Return how many atoms of each element each column has more than a moment before, by the states."""
    found: dict[tuple[int, int], int] = {}
    for step, when in ((1, moment), (-1, moment - 1)):
        atoms = track.atoms(when)
        for key in zip(atoms.arrays["column"].tolist(), atoms.numbers.tolist(), strict=True):
            found[key] = found.get(key, 0) + step
    return {key: count for key, count in found.items() if count}


def test_events_are_the_difference_of_states(ceria: Particle) -> None:
    processes = [
        ColumnExchange(gain_rate=0.3, loss_rate=0.3),
        Hops(),
        OxygenVacancies(hop_rate=0.2),
        CationVacancies(formation_rate=0.01),
    ]
    track = make_track([ceria], processes, Still(), TIMES, np.random.default_rng(7))
    events = track.events
    assert set(events.kinds) == {"gain", "loss", "hop", "vacancy", "healing", "vacancy_hop"}
    assert (np.diff(events.times) >= 0).all()
    for moment in range(1, len(track)):
        told: dict[tuple[int, int], int] = {}
        for index in range(track.happened(moment - 1), track.happened(moment)):
            number = int(events.numbers[index])
            for site, step in ((events.sources[index], -1), (events.targets[index], 1)):
                if site >= 0:
                    key = (int(track.columns[site]), number)
                    told[key] = told.get(key, 0) + step
        assert {key: count for key, count in told.items() if count} == changes(track, moment)


def test_states_are_told_apart_only_where_atoms_moved(gold: Particle) -> None:
    track = make_track(
        [gold], [CationVacancies(formation_rate=0.002)], Still(), np.arange(12.0), np.random.default_rng(1)
    )
    states = track.distinct()
    assert 1 <= states[-1] < 11
    for moment in range(1, 12):
        same = np.array_equal(track.atoms(moment).positions, track.atoms(moment - 1).positions)
        assert same == (states[moment] == states[moment - 1])


def test_a_track_follows_from_its_seed_and_comes_back_from_a_file(tmp_path: Path, ceria: Particle) -> None:
    processes = [ColumnExchange(), Hops(), OxygenVacancies()]
    one, two = (make_track([ceria], processes, Still(), TIMES, np.random.default_rng(8)) for _ in range(2))
    write_track(tmp_path / "track.zip", one)
    for other in (two, read_track(tmp_path / "track.zip")):
        for moment in range(len(one)):
            a, b = one.atoms(moment), other.atoms(moment)
            for name in a.arrays:
                np.testing.assert_array_equal(a.arrays[name], b.arrays[name])
        np.testing.assert_array_equal(other.events.kinds, one.events.kinds)


def test_particles_grow_and_dissolve_by_the_driving_force() -> None:
    start = particle("Au", margin=8.0)
    number = [
        len(
            make_track(
                [start], [Growth(driving=driving)], Still(), TIMES[:2], np.random.default_rng(9)
            ).atoms(1)
        )
        for driving in (0.2, -0.1)
    ]
    assert number[0] > 1.05 * len(start.atoms()) > 0.8 * len(start.atoms()) > number[1]


def test_growth_to_the_end_of_the_lattice_is_an_error() -> None:
    start = particle("Au", margin=3.0)
    with pytest.raises(InputError, match="margin"):
        make_track([start], [Growth(driving=0.4)], Still(), TIMES, np.random.default_rng(9))


def test_a_particle_turns_rigidly_and_its_truth_with_it(gold: Particle) -> None:
    tumbling = Tumbling(rate=3.0, axis=(1.0, 2.0, 0.5), diffusion=0.0)
    track = make_track([gold], [], tumbling, TIMES, np.random.default_rng(0))
    start = gold.atoms().positions
    for moment, time in enumerate(TIMES):
        rotation = track.poses.rotations[moment, 0]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.degrees(np.arccos((np.trace(rotation) - 1) / 2)) == pytest.approx(3.0 * time, abs=1e-4)
        np.testing.assert_allclose(track.atoms(moment).positions, start @ rotation.T, atol=1e-9)
        crystal = track.orientation(moment)[0]
        np.testing.assert_allclose(crystal, rotation @ gold.mistilt @ gold.sites.rotation, atol=1e-12)


def test_rotational_diffusion_has_its_coefficient(gold: Particle) -> None:
    times = np.arange(2001) * 0.1
    poses = Tumbling(rate=0.0, diffusion=1e-3).poses([gold], times, np.random.default_rng(1))
    steps = poses.rotations[1:, 0] @ poses.rotations[:-1, 0].transpose(0, 2, 1)
    angles = np.arccos(np.clip((np.trace(steps, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert np.mean(angles**2) == pytest.approx(6 * 1e-3 * 0.1, rel=0.1)


def test_columns_are_told_near_zone_axes_only(gold: Particle) -> None:
    from scipy.spatial.transform import Rotation

    times = np.arange(0.0, 36.0, 0.5)
    crystal = gold.sites.rotation
    axis = crystal @ np.array([0.0, 0.0, 1.0])  # from [110] by 45 degrees to [100] or [010]
    tumbling = Tumbling(rate=2.5, axis=axis.tolist(), diffusion=0.0, near=1.0)
    track = make_track([gold], [], tumbling, times, np.random.default_rng(0))
    seen = []
    for moment in range(len(track)):
        columns = columns_of(track.atoms(moment))
        zone, angle = track.zones.nearest(track.orientation(moment)[0])
        assert (len(columns) > 0) == (angle <= 1.0)
        if angle > 1.0:
            continue
        seen.append(tuple(sorted(np.abs(track.zones.axes[zone]).tolist())))
        atoms = track.atoms(moment)
        for column in columns.ids[::5]:
            own = atoms.positions[atoms.arrays["column"] == column]
            # A column of this length leans by no more than the axis is off.
            reach = np.ptp(own[:, 2]) * np.tan(np.radians(1.0)) + 1e-6
            assert np.ptp(own[:, 0]) <= reach
            assert np.ptp(own[:, 1]) <= reach
    assert {(0, 1, 1), (0, 0, 1)} <= set(seen)
    assert Rotation.from_matrix(track.poses.rotations[-1, 0]).magnitude() > 0


def test_columns_along_different_axes_never_share_a_number(gold: Particle) -> None:
    track = make_track([gold], [], Tumbling(), TIMES[:1], np.random.default_rng(0))
    sets = [set(columns.tolist()) for columns in track.zones.columns]
    assert sum(map(len, sets)) == len(set.union(*sets))
    own = track.zones.columns[track.zones.nearest(track.orientation(0)[0])[0]]
    # Along the recipe's own axis the columns are those of the recipe under other numbers.
    assert len(np.unique(np.stack([own, gold.sites.columns]), axis=1)[0]) == len(np.unique(own))


def test_families_of_zone_axes(gold: Particle) -> None:
    crystal = gold.sites.crystal
    assert [len(family(axis, crystal)) for axis in ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 1, 2))] == [
        3,
        6,
        4,
        12,
    ]


def test_two_particles_meet_and_their_neck_grows() -> None:
    one, two = particle("Au", 1), particle("Au", 2)
    times = np.arange(9) * 1.0
    track = make_track(
        [one, two], [Hops(rate=10.0)], Approach(gap=4.0, speed=2.0), times, np.random.default_rng(0)
    )
    assert track.poses.contact == 2
    gaps, bridges = [], []
    for moment in range(len(track)):
        atoms = track.atoms(moment)
        first, second = (atoms.positions[atoms.arrays["instance"] == i] for i in (1, 2))
        gaps.append(cKDTree(first).query(second)[0].min())
        bridges.append(sum(map(len, cKDTree(first).query_ball_point(second, 3.4))))
        shared = set(atoms.arrays["column"][atoms.arrays["instance"] == 1]) & set(
            atoms.arrays["column"][atoms.arrays["instance"] == 2]
        )
        assert not shared
        assert len(atoms) == len(one.atoms()) + len(two.atoms())
    assert gaps[0] > gaps[1] > gaps[2]
    assert min(gaps) > 0.9 * 2.88 - 0.01
    assert bridges[0] == 0
    assert bridges[-1] > max(2 * bridges[2], 7)


def test_ceria_particles_meet_without_atoms_on_top_of_each_other() -> None:
    one, two = particle("CeO2", 1), particle("CeO2", 2)
    track = make_track(
        [one, two], [Hops(rate=10.0)], Approach(gap=1.0, speed=2.0), np.arange(5.0), np.random.default_rng(0)
    )
    atoms = track.atoms(4)
    first, second = (atoms.positions[atoms.arrays["instance"] == i] for i in (1, 2))
    assert cKDTree(first).query(second)[0].min() > 1.89


def test_runaway_rates_are_an_error(monkeypatch: pytest.MonkeyPatch, gold: Particle) -> None:
    monkeypatch.setattr("simulate.movies.evolve.MOST_EVENTS", 50)
    with pytest.raises(InputError, match="lower the rates"):
        make_track([gold], [Hops(rate=1e4)], Still(), TIMES, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ColumnExchange(gain_rate=-1.0), "gain_rate"),
        (lambda: ColumnExchange(deepest=0), "deepest"),
        (lambda: Hops(temperature=0.0), "temperature"),
        (lambda: Hops(anchors=0), "anchors"),
        (lambda: Hops(bond_energy=-0.1), "bond_energy"),
        (lambda: Growth(rate=-1.0), "rate"),
        (lambda: OxygenVacancies(healing_rate=-0.1), "healing_rate"),
        (lambda: CationVacancies(formation_rate=-0.1), "formation_rate"),
        (lambda: Tumbling(diffusion=-1.0), "diffusion"),
        (lambda: Tumbling(axis=(0.0, 0.0, 0.0)), "axis"),
        (lambda: Approach(speed=0.0), "speed"),
    ],
)
def test_bad_values_are_refused(make, word: str) -> None:
    with pytest.raises(InputError, match=word):
        make()


def test_columns_exchange_on_a_zone_axis_only(gold: Particle) -> None:
    sites = replace(gold.sites, columns=np.full(len(gold.sites), -1))
    with pytest.raises(InputError, match="zone axis"):
        make_track([replace(gold, sites=sites)], [ColumnExchange()], Still(), TIMES, np.random.default_rng(0))
