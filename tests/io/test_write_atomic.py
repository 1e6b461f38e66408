from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError


def fail_half_way(temporary: Path, error: BaseException) -> None:
    temporary.write_text("new, half")
    raise error


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "out.tif"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".tif"
        temporary.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert [path.name for path in target.parent.iterdir()] == ["out.tif"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_any_failure_keeps_the_older_file_and_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.csv"
    target.write_text("older")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        fail_half_way(temporary, error)
    assert target.read_text() == "older"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_before_the_file_is_there_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "out.csv"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk full"),
        (errno.EDQUOT, "disk full"),
        (errno.EFBIG, "disk full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only disk"),
        (errno.EIO, "check the disk"),
    ],
)
def test_what_the_system_refuses_is_one_line_that_names_the_path(
    tmp_path: Path, number: int, words: str
) -> None:
    target = tmp_path / "out.csv"
    with pytest.raises(InputError) as caught, atomic_path(target) as temporary:
        fail_half_way(temporary, OSError(number, os.strerror(number)))
    message = str(caught.value)
    assert words in message
    assert str(target) in message
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_the_errno_is_found_inside_the_errors_of_libraries(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    chained = RuntimeError("closing failed")
    chained.__cause__ = full
    wrappers = [
        RuntimeError("Can't write (file write failed: time = now, errno = 28, error message = 'No space')"),
        OSError("1000 requested and 512 written"),
        Exception(full),
        chained,
    ]
    for wrapper in wrappers:
        with pytest.raises(InputError, match="disk full"), atomic_path(tmp_path / "x"):
            raise wrapper


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x"):
        (tmp_path / "missing").read_text()


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "x.csv", tmp_path / "file" / "deeper" / "x.csv"):
        with pytest.raises(InputError, match="is a file, not a folder"), atomic_path(target):
            pass


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"), atomic_path(tmp_path / "x.csv"):
        pass


@pytest.mark.parametrize("stem", ["n" * 251, "é" * 125, "日" * 83])
def test_the_longest_names_work(tmp_path: Path, stem: str) -> None:
    with atomic_path(tmp_path / f"{stem}.csv") as temporary:
        temporary.write_text("x")
    assert [path.stem for path in tmp_path.iterdir()] == [stem]


@pytest.mark.parametrize("name", ["n" * 256, "日" * 86, "/".join(["d" * 250] * 20)])
def test_too_long_a_name_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="too long"), atomic_path(tmp_path / name):
        pass


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "far" / "real.csv")
    with atomic_path(link) as temporary:
        assert temporary.parent.name == "far"
        temporary.write_text("x")
    assert link.is_symlink()
    assert (tmp_path / "far" / "real.csv").read_text() == "x"


def test_a_folder_without_rights(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="no permission"), atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("x")


def test_a_read_only_disk() -> None:
    place = Path("/proc/nanonet.csv")
    if not place.parent.is_dir():
        pytest.skip("no file system here that refuses files")
    with pytest.raises((InputError, FileNotFoundError)), atomic_path(place) as temporary:
        temporary.write_text("x")
