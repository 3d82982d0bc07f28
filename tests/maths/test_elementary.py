"""Elementary functions: torch's values, and the same bits alone and in company."""

import pytest
import torch

from brittle.maths.elementary import hyperbolic_cosine, inverse_tanh, power, sigmoid, softplus

FUNCTIONS = {
    "power": (lambda x: power(x, 0.37), lambda x: x**0.37),
    "power of a number": (lambda x: power(0.01, x), lambda x: 0.01**x),
    "inverse_tanh": (inverse_tanh, torch.atanh),
    "sigmoid": (lambda x: sigmoid(9 * x - 4), lambda x: torch.sigmoid(9 * x - 4)),
    "softplus": (lambda x: softplus(9 * x - 4), lambda x: torch.nn.functional.softplus(9 * x - 4)),
    "hyperbolic_cosine": (lambda x: hyperbolic_cosine(9 * x), lambda x: torch.cosh(9 * x)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_what_torch_says_and_the_same_alone_and_in_company(name, dtype):
    values = torch.rand(2001, dtype=dtype, generator=torch.Generator().manual_seed(0))
    function, expected = FUNCTIONS[name]
    torch.testing.assert_close(function(values), expected(values))
    if torch.backends.mkl.is_available():
        alone = torch.cat([function(value) for value in values.split(1)])
        assert torch.equal(function(values), alone)
