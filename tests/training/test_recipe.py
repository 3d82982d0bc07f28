import pytest

from brittle.errors import InputError
from brittle.models import ARCHITECTURES
from brittle.training import RECIPES, PlainTraining


def test_every_architecture_has_a_recipe():
    assert RECIPES.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1, 1, 1, 1]), ("cosine", [1, 0.5, 0.146447, 0]), ("steps", [1, 0.1, 0.01, 0.01])],
)
def test_the_rate_falls_as_said(schedule, rates):
    settings = PlainTraining(rate=1.0, schedule=schedule)
    assert [settings.rate_at(progress) for progress in (0, 0.5, 0.75, 1)] == pytest.approx(rates, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        *({"epochs": -1}, {"batch": 0}, {"shift": -1}, {"momentum": -0.1}, {"decay": float("nan")}, {"rate": 0.0}),
        *({"rate": float("inf")}, {"threads": 0}, {"optimiser": "magic"}, {"schedule": "linear"}),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        PlainTraining(**settings)
