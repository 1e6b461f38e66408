"""Physics that must hold on this machine, checked in a minute: `nanonet doctor --physics` shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulate.check import Check


def run_selftests() -> Iterator[Check]:
    """Yield the result of every check as it comes."""
    from simulate.camera.selftest import check_cameras
    from simulate.stem.selftest import run_stem_selftests
    from simulate.tem.selftest_lens import check_lens
    from simulate.tem.selftest_waves import check_waves

    groups: tuple[Callable[[], tuple[Check, ...]], ...] = (
        check_lens,
        check_waves,
        check_cameras,
        run_stem_selftests,
    )
    for group in groups:
        yield from group()
