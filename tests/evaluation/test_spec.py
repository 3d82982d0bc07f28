import pytest

from brittle import FGSM, PGD, Cascade, DeepFool, InputError, Restarts, SmallestRadius
from brittle.arguments import parse_number
from brittle.evaluation.spec import parse_attack, parse_universal, spec_syntax, with_settings
from brittle.evaluation.spec_text import DEEPEST, LONGEST, options_of


@pytest.mark.parametrize(
    ("text", "attack"),
    [
        ("fgsm", FGSM()),
        ("pgd:steps=7,restarts=2,loss=margin,kappa=50", PGD(steps=7, restarts=2, loss="margin", kappa=50)),
        ("pgd: step-size = 2/255, random_start=false", PGD(step_size=2 / 255, random_start=False)),
        ("deepfool:slack=inf", DeepFool(slack=float("inf"))),
        ("smallest(pgd:steps=5):steps=3", SmallestRadius(PGD(steps=5), steps=3)),
        ("restarts(fgsm):count=2", Restarts(FGSM(), 2)),
        ("cascade(fgsm;smallest(pgd:steps=4):steps=3)", Cascade((FGSM(), SmallestRadius(PGD(steps=4), steps=3)))),
    ],
)
def test_reads_attacks(text, attack):
    assert parse_attack(text).attack == attack


def test_an_attack_may_have_a_radius_of_its_own():
    assert parse_attack("pgd:eps=2/255").radius == 2 / 255
    assert parse_attack("pgd").radius is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pgdd", r"no attack 'pgdd' \(did you mean 'pgd'\?\); there are adef"),
        ("pgd:stesp=3", r"no field 'stesp' \(did you mean 'steps'\?\); there are steps"),
        ("pgd:steps=x", "steps=x: input should be a valid integer"),
        ("pgd:steps=0", "steps is 0; expected at least 1"),
        ("pgd:loss=l2", "loss=l2: input should be 'cross_entropy', 'scaled', 'margin', 'dlr' or 'divergence'"),
        ("pgd:steps", "'steps' is no option; expected FIELD=VALUE"),
        ("smallest", r"expected smallest\(ATTACK\)"),
        ("fgsm(pgd)", "'fgsm"),
        ("smallest(fgsm;pgd)", "takes one attack"),
        ("smallest(fgsm", "a bracket is missing"),
        ("pgd:eps=a/b", "'a/b' is no number"),
    ],
)
def test_refuses_with_what_there_is(text, message):
    with pytest.raises(InputError, match=message):
        parse_attack(text)


def test_numbers_may_be_fractions():
    assert parse_number("8/255") == 8 / 255
    with pytest.raises(InputError, match="1/0"):
        parse_number("1/0")


def test_settings_are_changed_by_the_same_words():
    assert with_settings(PGD(steps=3), "step_size = 1/255, loss=dlr") == PGD(steps=3, step_size=1 / 255, loss="dlr")
    assert with_settings(PGD(steps=3), "") == PGD(steps=3)
    with pytest.raises(InputError, match="no field 'step'"):
        with_settings(PGD(), "step=1")


OWN = """
from dataclasses import dataclass
from brittle import FGSM

@dataclass(frozen=True)
class Mine(FGSM):
    steps: int = 3
"""


def test_spaces_are_dropped_but_those_of_a_path(tmp_path):
    path = tmp_path / "my own.py"
    path.write_text(OWN)
    spec = parse_attack(f" {path}:Mine : steps = 5 , loss = margin ")
    assert spec.text == f"{path}:Mine:steps=5,loss=margin"
    assert (spec.attack.steps, spec.attack.loss) == (5, "margin")
    inside = parse_attack(f"cascade( fgsm ; {path}:Mine : steps = 5 )")
    assert inside.text == f"cascade(fgsm;{path}:Mine:steps=5)"
    assert [one.steps for one in inside.attack.attacks[1:]] == [5]
    assert parse_attack(" pgd : steps = 4 ").text == "pgd:steps=4"


def test_a_spec_is_as_long_and_as_deep_as_it_may_be():
    assert (LONGEST, DEEPEST) == (10_000, 10)
    text = "pgd:steps=" + "0" * (LONGEST - 11) + "7"
    assert (len(text), parse_attack(text).attack.steps) == (LONGEST, 7)
    with pytest.raises(InputError, match="expected at most 10000 letters"):
        parse_attack(text.replace("=", "=0"))
    with pytest.raises(InputError, match="expected at most 10000 letters"):
        parse_attack("a" * 1_000_000)
    deep = "restarts(" * DEEPEST + "fgsm" + ")" * DEEPEST
    assert parse_attack(deep).text == deep
    with pytest.raises(InputError, match="has 11 brackets within each other; expected at most 10"):
        parse_attack(f"restarts({deep})")
    assert len(parse_attack("cascade(restarts(fgsm);restarts(fgsm))").attack.attacks) == 2


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("pgd", "pgd"),
        ("cascade", "cascade(ATTACK;ATTACK;...)"),
        ("smallest", "smallest(ATTACK)"),
        ("restarts", "restarts(ATTACK)"),
    ],
)
def test_how_an_attack_is_written(name, syntax):
    assert spec_syntax(name) == syntax


def test_options_are_the_fields_that_text_can_set():
    assert options_of(FGSM) == {"loss": "cross_entropy"}
    assert options_of(Restarts) == {"count": Restarts(FGSM()).count}
    assert options_of(Cascade) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("restarts(fgsm;pgd)", r"restarts takes one attack; several go into cascade\(...;...\)"),
        ("restarts(fgsm)count=2", "a bracket is missing"),
        ("restarts(fgsm):count=0", "count is 0"),
        ("restarts(fgsm):attack=pgd", "no field 'attack'"),
        ("pgd:=3", "'=3' is no option"),
        ("pgd:steps=", "'steps=' is no option"),
        ("pgd:nothing=1", r"no field 'nothing'; there are steps"),
        ("cascade(fgsm;pgd):nothing=1", "no field 'nothing'; there are none"),
        ("restarts(fgsm:eps=0.1)", "give eps to the outermost one"),
    ],
)
def test_what_cannot_be_read_is_said(text, message):
    with pytest.raises(InputError, match=message):
        parse_attack(text)


def test_a_universal_perturbation_takes_one_attack_or_the_published_one():
    assert parse_universal("uap").attack == DeepFool(steps=10)
    assert parse_universal("uap(pgd:steps=2)").attack == PGD(steps=2)
    for text, message in (
        ("uap(pgd;fgsm)", "uap takes one attack"),
        ("ascent(pgd)", r"ascent takes no attack; expected ascent\[:FIELD=VALUE,...\]"),
        ("uap(pgd:eps=0.1)", "no radius of its own"),
    ):
        with pytest.raises(InputError, match=message):
            parse_universal(text)
