"""What `make test-oldest` installs: the lower bound of every dependency, which every dependency has."""

import pytest
from oldest import PROJECT, TOOLS, oldest, requirements


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("torch>=2.6", "torch==2.6.*"), ("rich>=13", "rich==13.0.*"), ("scikit-learn>=1.4", "scikit-learn==1.4.*")],
)
def test_the_first_minor_release_is_taken(given: str, wanted: str):
    assert oldest(given) == wanted


@pytest.mark.parametrize("given", ["torch", "torch==2.6", "torch<3"])
def test_a_dependency_without_a_lower_bound_is_noticed(given: str):
    with pytest.raises(ValueError, match="no lower bound"):
        oldest(given)


def test_every_dependency_has_a_lower_bound_and_every_tool_of_the_tests_is_there():
    listed = requirements(PROJECT.read_text())
    assert len([one for one in listed if "==" in one]) >= 14
    assert [one.split(">=")[0] for one in listed if "==" not in one] == list(TOOLS)
