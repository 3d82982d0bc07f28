import pytest

from brittle import FGSM, PGD, Cascade, DeepFool, InputError, Restarts, SmallestRadius
from brittle.arguments import parse_number
from brittle.evaluation.spec import parse_attack, with_settings


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
        ("pgd:loss=l2", "loss=l2: input should be 'cross_entropy', 'scaled', 'margin' or 'dlr'"),
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
