"""A map whose halves ended apart is named."""

from types import SimpleNamespace

from nanonet.pipeline.maps import map_warnings


def test_a_map_whose_halves_differ_is_not_to_be_believed() -> None:
    maps = [
        SimpleNamespace(class_id=number, found=SimpleNamespace(starts=SimpleNamespace(agreement=agreement)))
        for number, agreement in ((1, 0.98), (2, 0.31))
    ]
    (only,) = map_warnings(maps)  # type: ignore[arg-type]
    assert only.startswith("class 2")
    assert "0.31" in only
