from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanonet.io import read_series
from nanonet.io.writers.movie import MovieFacts, require_movie_name, write_movie
from nanonet.records import InputError

SUFFIXES = [".mrc", ".mrcs", ".tif", ".tiff", ".hspy", ".emd", ".dm3", ".dm4"]


def facts(**other: object) -> MovieFacts:
    known = {"shape": (4, 20, 26), "dtype": "uint16", "pixel_size": 0.25, "frame_time": 0.5}
    return MovieFacts(**{**known, "energy": 300e3, "dose": 20.0, "modality": "HRTEM", **other})


def frames(dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).poisson(40, (4, 20, 26)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_keeps_values_and_calibration(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = tmp_path / f"movie{suffix}"
    write_movie(path, iter(frames(dtype)), facts(dtype=dtype))
    series = read_series(path)
    np.testing.assert_array_equal(np.stack([shot.image for shot in series]), frames(dtype))
    first = series[0]
    assert first.pixel_size == pytest.approx(0.25, rel=1e-6)
    if not suffix.startswith(".mrc"):
        assert first.frame_time == pytest.approx(0.5, rel=1e-6)
    if suffix in (".hspy", ".emd", ".dm3", ".dm4"):
        assert first.energy == pytest.approx(300e3)
    if suffix.startswith(".tif"):
        import tifffile

        with tifffile.TiffFile(path) as tif:
            assert "300000 eV, 20 electrons" in (tif.pages.first.description or "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_movie_is_whole_or_absent(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="announced"):
        write_movie(tmp_path / f"movie{suffix}", frames()[:3], facts())
    with pytest.raises(ValueError, match="frame 0 must be uint16"):
        write_movie(tmp_path / f"movie{suffix}", frames("float32"), facts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["movie.gif", "../movie.dm4", "movie", ".dm4/movie"])
def test_other_names_are_refused(file: str) -> None:
    with pytest.raises(InputError, match="must be a name that ends in"):
        require_movie_name(file)
