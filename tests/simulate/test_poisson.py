import numpy as np
import pytest
from scipy.stats import chisquare, norm
from scipy.stats import poisson as law

from simulate.camera.poisson import LEAST_MEAN, _inverse, poisson


@pytest.mark.parametrize("mean", [LEAST_MEAN, 9.7, 30.0, 62.5, 300.0, 1000.0, 1e5])
def test_inversion_is_exact_for_every_normal_number(mean):
    z = np.concatenate([np.random.default_rng(0).standard_normal(20000), np.linspace(-7, 7, 401)])
    means = np.full(z.shape, mean)
    np.testing.assert_array_equal(_inverse(means, z), law.ppf(norm.cdf(z), means))


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 5.0, 8.5, 20.0, 200.0, 1000.0])
def test_numbers_follow_poissons_law(mean):
    drawn = poisson(np.full(200_000, mean), np.random.default_rng(1))
    edges = np.unique(law.ppf(np.linspace(0.01, 0.99, 12), mean))
    shares = np.diff(np.concatenate([[0.0], law.cdf(edges, mean), [1.0]]))
    found = np.bincount(np.searchsorted(edges, drawn, side="left"), minlength=len(shares))
    kept = shares > 1e-4
    expected = shares[kept] / shares[kept].sum() * found[kept].sum()
    if len(expected) > 1:
        assert chisquare(found[kept], expected).pvalue > 1e-4
    assert drawn.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / drawn.size))


def test_means_may_differ_from_pixel_to_pixel_and_be_few():
    mean = np.linspace(0.0, 500.0, 40_000).reshape(200, 200)
    for image in (mean, mean + 10, mean[:0]):
        drawn = poisson(image, np.random.default_rng(2))
        assert drawn.shape == image.shape
        deviation = (drawn - image) / np.sqrt(np.maximum(image, 1e-3))
        assert not image.size or abs(deviation.std() - 1) < 0.02
    assert poisson(mean, np.random.default_rng(2))[0, 0] == 0
