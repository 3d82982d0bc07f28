"""One value against one type: what fits comes back in its form, what does not is refused with what was seen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from brittle import InputError
from brittle.arguments import Count, CountOrNone, FileName, Seed, check_fields, checked, fitted, seen


@pytest.mark.parametrize(
    ("given", "hint", "wanted"),
    [
        (np.int64(3), Count, 3),
        (0, CountOrNone, 0),
        (2**63 - 1, Seed, 2**63 - 1),
        (np.float32(0.5), float, 0.5),
        (None, Count | None, None),
        (["pgd", "fgsm"], tuple[str, ...], ("pgd", "fgsm")),
        (Path("a") / "b", FileName, "a/b"),
        ("any", Literal["any", "random"], "any"),
    ],
)
def test_what_fits_comes_back_in_the_form_of_its_type(given: object, hint: Any, wanted: object):
    found = fitted("it", given, hint)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("given", "hint", "message"),
    [
        (0, Count, "it is 0; expected at least 1"),
        (-1, CountOrNone, "it is -1; expected at least 0"),
        (2**63, Seed, r"expected a whole number below 2\*\*63"),
        (True, int, "it is True; expected"),
        (float("nan"), float, "it is nan; expected"),
        ("3", int, "it is '3'; expected"),
        ("best", Literal["any", "random"], "it is 'best'; expected 'any' or 'random'"),
        (torch.zeros(2), str, r"it is a tensor \(2,\) of torch.float32; expected"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_seen(given: object, hint: Any, message: str):
    with pytest.raises(InputError, match=message):
        fitted("it", given, hint)


def test_a_function_sees_what_fits_alone():
    @checked
    def repeated(text: str, times: Count = 1) -> str:
        return text * times

    assert repeated("a", times=np.int32(2)) == "aa"
    with pytest.raises(InputError, match="times is 0; expected at least 1"):
        repeated("a", 0)
    with pytest.raises(TypeError, match="missing"):
        repeated()


def test_fields_are_brought_into_form():
    @dataclass(frozen=True)
    class Settings:
        steps: int
        sizes: tuple[float, ...]

    made = Settings(np.int64(3), [1.0, 2.0])
    check_fields(made)
    assert type(made.steps) is int
    assert made.sizes == (1.0, 2.0)


def test_a_long_text_is_cut_in_messages():
    assert len(seen("x" * 1000)) < 100
