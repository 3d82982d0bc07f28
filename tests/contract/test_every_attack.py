"""Every registered attack keeps the contract; an attack that does nothing and one that cheats on the radius do not."""

from dataclasses import dataclass

import pytest
from affine import convolutional, middle
from cases import CASES, Case
from contract import (
    CLAUSES,
    DEPENDS_ON_SCALE,
    agrees_with_a_fresh_forward,
    says_it_depends_on_scale,
    stays_inside_box_and_threat,
)

from brittle import Attack, DeepFool, Lp, Problem, UnsupportedThreat, run
from brittle.registry import ATTACKS, COMBINATORS


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_keeps_the_contract(case: Case, clause):
    if clause.__name__ == "reaches_the_closed_form" and (case.threat.counts or case.threat.name == "flow"):
        pytest.skip("has no closed form here")
    clause(case)


def test_every_registered_attack_is_tried():
    tried = {type(case.attack) for case in CASES}
    assert tried >= {*ATTACKS.values(), *COMBINATORS.values()}


def test_the_attacks_that_depend_on_the_scale_of_the_logits_are_these():
    assert {kind for kind in ATTACKS.values() if says_it_depends_on_scale(kind)} == set(DEPENDS_ON_SCALE)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refuses_a_threat_without_mathematics(case: Case):
    class Elsewhere(Lp):
        @property
        def name(self) -> str:
            return "elsewhere"

    with pytest.raises(UnsupportedThreat, match="elsewhere"):
        run(case.attack, convolutional(), middle(), threat=Elsewhere(2, 1.0))


@dataclass(frozen=True)
class Nothing(Attack):
    """Proposes the clean image."""

    def perturb(self, problem: Problem) -> None:
        problem.probe(problem.images)


class Boundless(Lp):
    """Measures nothing, so that everything seems allowed."""

    def size(self, clean, moved):
        return super().size(clean, clean)


@dataclass(frozen=True)
class Liar(DeepFool):
    """Ignores the radius, and judges by a threat that allows all."""

    def perturb(self, problem: Problem) -> None:
        from dataclasses import replace

        super().perturb(replace(problem, threat=Boundless(2)))


def test_an_attack_that_does_nothing_fails_the_contract():
    with pytest.raises(AssertionError, match="breaks nothing"):
        agrees_with_a_fresh_forward(Case(Nothing(), Lp(2)))


def test_an_attack_that_cheats_on_the_radius_fails_the_contract():
    with pytest.raises(AssertionError):
        stays_inside_box_and_threat(Case(Liar(), Lp(2, 0.01)))
