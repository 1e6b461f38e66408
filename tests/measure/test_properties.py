"""Each column of particles.csv on shapes that are known."""

import re
import time

import numpy as np
import pandas as pd
import pytest

from nanonet.measure.columns import length_unit, particle_columns
from nanonet.measure.properties import measure
from nanonet.records import InputError, LabelMap, Micrograph, ParticleTable

CONTRACT = re.findall(
    r"\w+",
    "image, frame, particle_id, track_id, y_nm, x_nm, area_nm2, equivalent_diameter_nm, feret_min_nm, "
    "feret_max_nm, perimeter_nm, circularity, convexity, solidity, major_axis_nm, minor_axis_nm, "
    "eccentricity, max_intensity, total_intensity, separated, touches_border, confidence, class_id",
)


def label_map(labels: np.ndarray) -> LabelMap:
    number = int(labels.max(initial=0))
    return LabelMap(
        labels=labels.astype(np.int32),
        separated=np.arange(number) % 2 == 1,
        confidence=np.linspace(0.5, 1.0, number),
    )


def table(
    labels: np.ndarray, image: np.ndarray | None = None, pixel_size: float | None = 10.0
) -> ParticleTable:
    """Return the table of a frame whose pixels are 1 nm if not told otherwise."""
    image = np.ones(labels.shape, dtype=np.float32) if image is None else image
    return measure(Micrograph(image=image, name="a.tif", frame=3, pixel_size=pixel_size), label_map(labels))


def shape(kind: str, angle: float, size: int = 161) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return {
        "disc": u**2 + v**2 <= 30**2,
        "ellipse": (u / 50) ** 2 + (v / 20) ** 2 <= 1,
        "rectangle": (np.abs(u - 0.3) <= 45) & (np.abs(v - 0.3) <= 15),
    }[kind].astype(int)


def test_columns_are_those_of_the_contract() -> None:
    found = table(shape("disc", 0.0))
    assert list(found.data.columns) == CONTRACT
    assert [column.name for column in particle_columns("nm")] == CONTRACT
    assert all(column.meaning for column in found.columns)


def test_without_a_pixel_size_lengths_are_in_pixels() -> None:
    found = table(shape("disc", 0.0), pixel_size=None)
    assert list(found.data.columns) == [name.replace("_nm", "_px") for name in CONTRACT]
    assert found.data["area_px2"][0] == shape("disc", 0.0).sum()
    assert {column.unit for column in found.columns if column.name.endswith("_px2")} == {"px²"}
    assert length_unit(found) == "px"


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 13))
def test_disc_ellipse_and_rectangle_at_any_angle(angle: float) -> None:
    ellipse = table(shape("ellipse", angle)).data.iloc[0]
    assert ellipse.area_nm2 == pytest.approx(np.pi * 1000, rel=0.01)
    assert ellipse.major_axis_nm == pytest.approx(100, rel=0.01)
    assert ellipse.minor_axis_nm == pytest.approx(40, rel=0.01)
    assert ellipse.eccentricity == pytest.approx(np.sqrt(1 - 0.16), rel=0.005)
    assert ellipse.feret_max_nm == pytest.approx(100, abs=1)
    assert ellipse.feret_min_nm == pytest.approx(40, abs=1)
    assert ellipse.perimeter_nm == pytest.approx(230.1, rel=0.015)
    assert ellipse.solidity > 0.98
    rectangle = table(shape("rectangle", angle)).data.iloc[0]
    assert rectangle.area_nm2 == pytest.approx(2700, rel=0.04)
    assert rectangle.perimeter_nm == pytest.approx(240, rel=0.03)
    assert rectangle.circularity == pytest.approx(4 * np.pi * 2700 / 240**2, rel=0.05)
    assert rectangle.convexity > 0.97
    assert rectangle.solidity > 0.95
    disc = table(shape("disc", angle)).data.iloc[0]
    assert disc.equivalent_diameter_nm == pytest.approx(60, rel=0.005)
    assert disc.circularity == pytest.approx(1, abs=0.03)
    assert disc.eccentricity < 0.1
    assert (disc.y_nm, disc.x_nm) == pytest.approx((80, 80), abs=1e-9)


def test_axes_of_a_rectangle_along_the_pixels_are_exact() -> None:
    """The ellipse of the same second moments as an a x b rectangle has axes 2 a / √3 and 2 b / √3."""
    labels = np.zeros((40, 60), dtype=int)
    labels[5:15, 10:40] = 1
    row = table(labels).data.iloc[0]
    assert row.major_axis_nm == pytest.approx(60 / np.sqrt(3))
    assert row.minor_axis_nm == pytest.approx(20 / np.sqrt(3))


def test_an_l_tells_x_from_y() -> None:
    """Down the left 30 pixels, along the bottom 10: the centroid lies low, and left of the middle."""
    labels = np.zeros((50, 70), dtype=int)
    labels[10:40, 20:24] = 1
    labels[36:40, 24:34] = 1
    row = table(labels, pixel_size=5.0).data.iloc[0]
    y, x = np.nonzero(labels)
    assert row.y_nm == pytest.approx(0.5 * y.mean())
    assert row.x_nm == pytest.approx(0.5 * x.mean())
    assert row.y_nm > row.x_nm
    assert row.area_nm2 == pytest.approx(160 * 0.25)
    assert row.solidity < 0.65
    assert row.convexity < 0.93


def test_quarter_turns_change_only_the_position() -> None:
    labels = np.zeros((50, 70), dtype=int)
    labels[10:40, 20:24] = labels[36:40, 24:34] = 1
    wanted = table(labels).data.iloc[0]
    found = table(np.rot90(labels).copy()).data.iloc[0]
    sizes = [
        name for name in CONTRACT if name.endswith(("_nm", "_nm2", "ity")) and name not in ("y_nm", "x_nm")
    ]
    assert [found[name] for name in sizes] == pytest.approx([wanted[name] for name in sizes], rel=1e-9)
    assert (found.y_nm, found.x_nm) == pytest.approx((69 - wanted.x_nm, wanted.y_nm))


def test_lengths_scale_with_the_pixel_size() -> None:
    small, large = (table(shape("ellipse", 0.4), pixel_size=size).data.iloc[0] for size in (2.0, 6.0))
    for name in CONTRACT:
        power = 2 if name.endswith("nm2") else 1 if name.endswith("_nm") else 0
        if isinstance(small[name], float):
            assert large[name] == pytest.approx(3.0**power * small[name]), name


def test_intensities_are_those_of_the_file() -> None:
    labels = np.zeros((20, 20), dtype=int)
    labels[2:6, 2:6], labels[10:14, 10:18] = 1, 2
    image = np.arange(400, dtype=np.float32).reshape(20, 20)
    image[3, 3] = np.nan
    data = table(labels, image).data
    assert data.max_intensity.tolist() == [105.0, 277.0]
    assert data.total_intensity.tolist() == [np.nansum(image[2:6, 2:6]), image[10:14, 10:18].sum()]


def test_border_flags_and_what_is_not_known_yet() -> None:
    labels = np.zeros((20, 30), dtype=int)
    labels[0:3, 5:9], labels[8:12, 8:12], labels[5:9, 27:30], labels[15:20, 2:6] = 1, 2, 3, 4
    data = table(labels).data
    assert data.touches_border.tolist() == [True, False, True, True]
    assert data.separated.tolist() == [False, True, False, True]
    assert data.frame.tolist() == [3] * 4
    assert data.particle_id.tolist() == [1, 2, 3, 4]
    assert data.track_id.isna().all()
    assert data.class_id.isna().all()
    assert str(data.track_id.dtype) == str(data.class_id.dtype) == "Int64"


def test_a_frame_without_particles_gives_an_empty_table_of_the_same_types() -> None:
    empty, full = table(np.zeros((20, 20), dtype=int)), table(shape("disc", 0.0))
    assert len(empty) == 0
    assert empty.data.dtypes.tolist() == full.data.dtypes.tolist()
    both = pd.concat([empty.data, full.data], ignore_index=True)
    assert both.dtypes.tolist() == full.data.dtypes.tolist()


def test_wrong_label_maps_are_named() -> None:
    micrograph = Micrograph(image=np.ones((9, 9), dtype=np.float32), name="a.tif")
    with pytest.raises(InputError, match=r"labels must have the shape of the image \(9, 9\), got \(8, 9\)"):
        measure(micrograph, label_map(np.zeros((8, 9), dtype=int)))
    with pytest.raises(InputError, match=r"labels must be 1\.\.n without gaps"):
        measure(micrograph, label_map(np.full((9, 9), 2)))
    with pytest.raises(InputError, match="labels must not be negative, got -1"):
        measure(micrograph, label_map(np.full((9, 9), -1)))


def test_a_hundred_particles_take_a_moment() -> None:
    y, x = np.mgrid[:1024, :1024]
    inside = (y % 93 - 46) ** 2 + (x % 93 - 46) ** 2 < 900
    labels = np.where(inside & (y < 1023) & (x < 1023), 11 * (y // 93) + x // 93 + 1, 0)
    started = time.process_time()
    assert len(table(labels)) == 121
    assert time.process_time() - started < 1.5  # 0.1 s on a quiet core
