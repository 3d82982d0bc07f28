"""A name that does not exist is answered with the one that is near, by one rule, wherever names are given."""

import re
from pathlib import Path

import pytest

import brittle
from brittle.arguments.fit import fitted
from brittle.cli.audit import audit
from brittle.data import open_source
from brittle.data.classes import check_order
from brittle.errors import BrittleError
from brittle.evaluation.corrupt import corrupt
from brittle.evaluation.recipes import adversarial_recipe
from brittle.evaluation.spec import parse_attack, parse_objective
from brittle.limits import use_limits
from brittle.listing import listing
from brittle.models import open_network
from brittle.physical.corruptions import Corruption
from brittle.registry import CHANNELS, CHECKS, DEFENCES, STUDIES, UNIVERSAL
from brittle.specs import DataSpec, Effort, ModelSpec, Question
from brittle.studies.bench.study import scale_of
from brittle.threats import parse_threat
from brittle.universal_attacks.gd_uap import GDUAP

SOURCE = Path(brittle.__file__).parent
ASKED = {
    "attack": (parse_attack, "FGMS", "fgsm"),
    "field": (parse_attack, "pgd:step=3", "steps"),
    "choice": (parse_attack, "pgd:loss=crossentropy", "cross_entropy"),
    "norm": (parse_threat, "L_inf:0.1", "linf"),
    "threat": (parse_threat, "pixel", "pixels"),
    "network": (open_network, "digit-lenet", "digits-lenet"),
    "data": (open_source, "digitts", "digits"),
    "split": (open_source, "digits:trian", "train"),
    "order": (check_order, "numerical", "numeric"),
    "list": (listing, "atacks", "attacks"),
    "study": (STUDIES.find, "planted-fault", "planted-faults"),
    "scale": (scale_of, "smal", "small"),
    "channel": (CHANNELS.find, "blurr", "blur"),
    "defence": (DEFENCES.find, "bit", "bit-depth"),
    "check": (CHECKS.find, next(iter(CHECKS)) + "s", next(iter(CHECKS))),
    "universal": (UNIVERSAL.find, "gd_uap", "gd-uap"),
    "corruption": (Corruption, "snows", "snow"),
    "recipe": (adversarial_recipe, "madry", "madry-mnist"),
    "objective": (parse_objective, "trads", "trades"),
    "limit": (lambda text: use_limits(**{text: 3}).__enter__(), "pixel", "pixels"),
    "prior": (lambda text: GDUAP(prior=text), "rang", "range"),
    "literal": (lambda text: fitted("kind", text, brittle.data.classes.Order), "tex", "text"),
}


@pytest.mark.parametrize(("ask", "text", "near"), ASKED.values(), ids=ASKED)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(ask, text, near):
    with pytest.raises(BrittleError, match=rf"did you mean {re.escape(repr(near))}"):
        ask(text)


def test_a_task_and_a_corruption_of_a_command_too(tmp_path):
    values = ModelSpec("digits-lenet"), DataSpec("digits"), Question("linf"), Effort(device="cpu")
    with pytest.raises(BrittleError, match=r"'segm' \(did you mean 'segmentation'\?\); expected classification"):
        audit(*values, task="segm", out=tmp_path / "run")
    with pytest.raises(BrittleError, match=r"'gausian-noise' \(did you mean 'gaussian-noise'\?\)"):
        corrupt("digits-lenet", "digits", tmp_path / "c", kinds=["gausian-noise"], max_images=4)
    assert not list(tmp_path.iterdir())


def test_what_is_near_to_nothing_gets_no_guess():
    with pytest.raises(BrittleError) as caught:
        listing("zzz")
    assert "did you mean" not in str(caught.value)


def test_there_is_one_rule():
    users = [path.name for path in SOURCE.rglob("*.py") if "difflib" in path.read_text(encoding="utf-8")]
    assert users == ["near.py"]
