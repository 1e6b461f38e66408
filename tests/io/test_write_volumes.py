from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from nanonet.io.writers.volumes import write_mrc
from nanonet.records import Volume


def test_a_map_is_valid_and_comes_back(tmp_path: Path) -> None:
    density = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    paths = write_mrc(tmp_path / "class_01.mrc", Volume(density=density, voxel_size=0.3216))
    assert paths == (tmp_path / "class_01.mrc",)
    assert mrcfile.validate(paths[0])
    with mrcfile.open(paths[0]) as mrc:
        np.testing.assert_array_equal(mrc.data, density)
        assert mrc.is_volume()
        assert [float(mrc.voxel_size[axis]) for axis in "xyz"] == pytest.approx([0.3216] * 3)
        assert [float(mrc.header.cella[axis]) for axis in "xyz"] == pytest.approx(
            [6 * 0.3216, 5 * 0.3216, 4 * 0.3216]
        )
        assert [float(mrc.header.origin[axis]) for axis in "xyz"] == [0, 0, 0]
        assert (int(mrc.header.nxstart), int(mrc.header.nystart), int(mrc.header.nzstart)) == (0, 0, 0)
        assert (int(mrc.header.mapc), int(mrc.header.mapr), int(mrc.header.maps)) == (1, 2, 3)


def test_half_maps_lie_beside_the_map(tmp_path: Path) -> None:
    halves = (np.full((3, 3, 3), 1.0), np.full((3, 3, 3), 3.0))
    volume = Volume(density=np.full((3, 3, 3), 2.0), voxel_size=1.0, half_maps=halves)
    paths = write_mrc(tmp_path / "volumes" / "class_01.mrc", volume)
    assert [path.name for path in paths] == ["class_01.mrc", "class_01_half1.mrc", "class_01_half2.mrc"]
    assert [float(mrcfile.read(path).mean()) for path in paths] == [2, 1, 3]
    assert all(mrcfile.validate(path) for path in paths)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)


def test_equal_maps_make_equal_files(tmp_path: Path) -> None:
    volume = Volume(density=np.arange(27.0).reshape(3, 3, 3), voxel_size=1.0)
    (first,), (second,) = write_mrc(tmp_path / "a.mrc", volume), write_mrc(tmp_path / "b.mrc", volume)
    assert first.read_bytes() == second.read_bytes()
