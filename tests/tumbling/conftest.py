"""A small gold particle seen from everywhere."""

import pytest
from turning_particles import Turning, turning


@pytest.fixture(scope="session")
def gold() -> Turning:
    """200 noisy pictures of a particle whose lattice is stretched by 1.5 %."""
    return turning(200, 400.0, stretch=1.015)
