"""The identity of a piece of work is read off its fields."""

import json
import math
from dataclasses import dataclass, replace

import pytest

from brittle.attacks.deepfool import DeepFool
from brittle.studies.bench.work import Work, identity_of, plain_of
from brittle.threats import Lp


class Known:
    def __init__(self, seed):
        self.seed = seed

    def identity(self):
        return {"seed": self.seed, "data": "abc"}


@dataclass(frozen=True)
class One(Work):
    subject: Known
    pixels: int
    radius: float = math.inf
    identity_fields = ("count",)

    @property
    def count(self):
        return 10 * self.pixels


def test_fields_named_properties_and_the_subject_make_the_identity():
    assert One(Known(3), 2).identity() == {"seed": 3, "data": "abc", "pixels": 2, "radius": "inf", "count": 20}


@pytest.mark.parametrize("change", [{"pixels": 3}, {"radius": 1.0}, {"subject": Known(4)}])
def test_every_field_changes_it(change):
    work = One(Known(3), 2)
    assert replace(work, **change).identity() != work.identity()


@dataclass(frozen=True)
class Two(Work):
    target: Known
    source: Known


def test_two_subjects_stand_under_their_names():
    assert Two(Known(1), Known(2)).identity()["source"] == {"seed": 2, "data": "abc"}
    assert Two(Known(1), Known(2)).identity() != Two(Known(2), Known(1)).identity()


@dataclass(frozen=True)
class Attacked:
    attack: DeepFool
    threat: Lp


def test_attacks_and_threats_are_json():
    plain, other = (identity_of(Attacked(DeepFool(steps=steps), Lp(2))) for steps in (5, 6))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["attack"]["name"] == "DeepFool"
    assert plain != other


def test_what_has_no_text_is_refused():
    with pytest.raises(TypeError, match="a field of a piece of work is an object"):
        plain_of(object())
