"""A map whose halves ended apart, or that explains its particles badly, is named."""

from types import SimpleNamespace

from nanonet.pipeline.maps import map_warnings


def test_a_map_whose_halves_differ_or_that_explains_little_is_not_to_be_believed() -> None:
    maps = [
        SimpleNamespace(
            class_id=number,
            found=SimpleNamespace(
                starts=SimpleNamespace(agreement=agreement), explained=explained, point_group="O"
            ),
        )
        for number, agreement, explained in ((1, 0.98, 1.02), (2, 0.31, 1.0), (3, 0.97, 0.4))
    ]
    apart, wrong = map_warnings(maps)  # type: ignore[arg-type]
    assert apart.startswith("class 2")
    assert "0.31" in apart
    assert wrong.startswith("class 3")
    assert "40%" in wrong
