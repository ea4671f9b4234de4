import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.networks import Mlp
from case_studies.trpo.tangents import Tangents


@pytest.mark.parametrize(("hidden", "activation"), [((), "tanh"), ((5,), "tanh"), ((5, 4), "relu"), ((4, 3, 5), "elu")])
def test_the_factors_are_those_of_the_jacobian_by_autograd(hidden, activation):
    rng = np.random.default_rng(0)
    network = Mlp((3, *hidden, 1), activation)
    theta, x = rng.standard_normal(network.size), rng.standard_normal((7, 3))
    tangents = Tangents.at(network, theta, x)
    J = np.stack([ck.gradient(lambda t, i=i: network(t, x[i:i + 1])[0, 0], theta) for i in range(7)])
    a = rng.standard_normal(7)
    np.testing.assert_allclose(tangents.outputs, network(theta, x)[:, 0], rtol=1e-12)
    np.testing.assert_allclose(tangents.kernel(), J @ J.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(tangents.pull_back(a), J.T @ a, rtol=1e-10, atol=1e-12)


def test_float32_stays_float32():
    network = Mlp((3, 5, 1))
    theta = network.initial(np.random.default_rng(0))
    tangents = Tangents.at(network, theta, np.ones((4, 3), np.float32))
    assert tangents.kernel().dtype == tangents.pull_back(tangents.outputs).dtype == np.float32
