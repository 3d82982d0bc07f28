"""Whatever is written for an attack, a network, images or numbers: a value, or one error that says what is wrong."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd import FEW, LONGEST, ODD, refusal

from brittle.arguments import parse_number
from brittle.attacks.pgd import PGD
from brittle.data import open_source
from brittle.errors import InputError
from brittle.evaluation.plan import plan, threat_for
from brittle.evaluation.spec import parse_attack, parse_universal, with_settings
from brittle.models import open_network
from brittle.registry import ATTACKS, COMBINATORS, UNIVERSAL
from brittle.threats import parse_threat

pytestmark = pytest.mark.skipif("BRITTLE_SHAPES" in os.environ, reason="the run-time checker refuses these first")

NUMBERS = [
    "1",
    "0",
    "-1",
    "8/255",
    "1/0",
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "1_0",
    "٣",
    "１",
    "1e-400",
    "9" * 5000,
    "0x1",
]
words = st.one_of(
    st.sampled_from([*ATTACKS, *COMBINATORS, *UNIVERSAL, "steps", "eps", "loss", "restarts", "attack", "attacks"]),
    st.sampled_from([*"():;,=/ -_.", "((", "))", "true", "None", "\0", "\n", "é", "linf", "pixels", "𝟚", *NUMBERS]),
    st.text(max_size=8),
)
texts = st.lists(words, max_size=12).map("".join)
names = st.sampled_from([*ATTACKS, *COMBINATORS, *UNIVERSAL])
fields = st.sampled_from(["steps", "eps", "loss", "restarts", "step_size", "draws", "passes", "overshoot", "stride"])
values = st.one_of(
    st.sampled_from([*NUMBERS, "true", "no", "margin", "none"]), st.integers().map(str), st.text(max_size=5)
)
options = st.lists(st.tuples(fields, values).map("=".join), max_size=3).map(",".join)
likely = st.tuples(names, options).map(lambda parts: ":".join(part for part in parts if part))
around = st.tuples(st.sampled_from([*COMBINATORS, "uap"]), likely, likely).map(
    lambda one: f"{one[0]}({one[1]};{one[2]})"
)


@FEW
@given(text=st.one_of(texts, likely, around))
def test_attacks(text):
    def planned():
        if plan([text], "linf", 0.1):
            threat_for(text)

    for call in (lambda: parse_attack(text), lambda: parse_universal(text), planned):
        assert 0 < len(refusal(call) or "read") < LONGEST + 2 * len(text)


@FEW
@given(text=st.one_of(options, texts))
def test_settings(text):
    assert 0 < len(refusal(lambda: with_settings(PGD(), text)) or "read") < LONGEST + 2 * len(text)


@FEW
@given(text=st.one_of(values, texts))
def test_numbers_and_norms(text):
    def read():
        value = parse_number(text)
        assert value == value  # NaN is no number

    assert refusal(read) != ""
    assert refusal(lambda: parse_threat(text)) != ""


FORMS = [
    "hf:",
    "timm:",
    "torchvision:",
    "noise:",
    "digits:",
    "digits-lenet",
    ".pt2",
    ".onnx",
    ".npz",
    ".parquet",
    ".py:",
]
specs = st.lists(
    st.one_of(st.sampled_from([*FORMS, ".png", "/", "~", "..", "*", "[", "\0", "x" * 300]), words), max_size=6
)


@FEW
@given(text=specs.map("".join), order=st.sampled_from(["auto", "text", "zigzag", ""]))
def test_networks_and_images(text, order, tmp_path_factory):
    """None of them lies here, and no collection is asked: its package is not there, or nothing can be reached."""
    folder = tmp_path_factory.getbasetemp()
    here = text.startswith(("hf:", "timm:", "torchvision:", "~", "/", ".."))
    spec = text if here and not Path(text).exists() else str(folder / "nothing") + text
    spec = "noise:x" if spec.startswith(("hf:", "torchvision:")) and ":" in spec[3:] else spec
    assert refusal(lambda: open_network(spec)) != ""
    assert refusal(lambda: open_source(spec, class_order=order)) != ""


@pytest.mark.parametrize("number", range(len(ODD)))
def test_values_that_are_no_text(number):
    value = ODD[number]
    if not isinstance(value, str):
        for call in (parse_attack, parse_universal, open_network, open_source):
            assert refusal(lambda call=call: call(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pgd:steps=3,steps=40", "steps is given twice, as 3 and as 40; leave one out"),
        ("pgd:step_size=0.1,step-size=0.2", "step_size is given twice"),
        ("restarts(pgd:steps=2,steps=3)", "steps is given twice"),
        ("pgd:eps=0.1,eps=0.2", "eps is given twice"),
        ("pgd:eps=nan", "'nan' is no number"),
        ("pgd:eps=1e999", "'1e999' is no number"),
        ("pgd:eps=٣", "is no option"),
        ("pgd:steps=１", "is no option"),
        ("pgd:step_size=nan", "step_size is nan; expected a number"),
        ("pgd:steps=" + "9" * 30, "steps"),
        ("restarts(" * 5000 + "pgd" + ")" * 5000, "is no spec; expected at most 10000 letters"),
        ("restarts(" * 900 + "pgd" + ")" * 900, "has 900 brackets within each other; expected at most 10"),
        ("cascade(fgsm;)", r"expected cascade\(ATTACK;ATTACK;...\)"),
        ("pgd\0", "that can be printed"),
    ],
    ids=range(14),
)
def test_what_is_told(text, message):
    with pytest.raises(InputError, match=message):
        parse_attack(text)


def test_settings_named_twice_are_refused_everywhere():
    with pytest.raises(InputError, match="steps is given twice, as 1 and as 2"):
        with_settings(PGD(), "steps=1,steps=2")
    with pytest.raises(InputError, match="passes is given twice"):
        parse_universal("ascent:passes=1,passes=2")


@pytest.mark.parametrize("text", ["nan", "1e999", "٣", "1_000", "1/0", "", " ", "1/", "0x10", "9" * 5000])
def test_what_is_no_number(text):
    with pytest.raises(InputError, match="is no number"):
        parse_number(text)


def test_what_is_a_number():
    assert [parse_number(text) for text in ("8/255", ".5", "1e-3", "-2", "inf", "1.5e1/3")] == [
        *(8 / 255, 0.5, 1e-3, -2.0, float("inf"), 5.0),
    ]
