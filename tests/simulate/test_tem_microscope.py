import numpy as np
import pytest

from nanonet.records import InputError
from simulate.camera import Camera
from simulate.tem.microscope import Microscope


def test_settings_lie_in_their_ranges_and_the_dose_is_log_uniform():
    microscope = Microscope(dose=(100.0, 10000.0), defocus=(40.0, 60.0), Cs=-9e4)
    drawn = [microscope.draw(300e3, np.random.default_rng(i)).values() for i in range(2000)]
    doses = np.array([values["dose"] for values in drawn])
    assert doses.min() >= 100
    assert doses.max() <= 10000
    assert np.median(doses) == pytest.approx(1000, rel=0.15)
    assert all(40 <= values["defocus"] <= 60 and values["Cs"] == -9e4 for values in drawn)
    assert {"energy", "focal_spread", "pixel_size", "vibration", "mtf_nyquist"} <= set(drawn[0])
    assert "aperture" not in drawn[0]


def test_a_camera_of_the_microscope_is_the_detectors():
    camera = Camera(mtf=[[0, 1], [1, 0.3]], dqe0=0.8)
    setting = Microscope(camera=camera, motion=(0.5, 1.0)).draw(300e3, np.random.default_rng(0))
    assert setting.detector.camera == camera
    assert setting.values()["mtf_nyquist"] == pytest.approx(0.3)
    assert 0.5 <= setting.values()["motion"] <= 1.0


@pytest.mark.parametrize(
    "bad", [{"dose": (0.0, 10.0)}, {"pixel_size": -0.2}, {"defocus": (60.0, 40.0)}, {"Cs": (1.0, 2.0, 3.0)}]
)
def test_bad_microscopes_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Microscope(**bad)
