"""A killed adversarial training goes on where it stopped, and only where it is the same training."""

from dataclasses import replace
from functools import partial

import pytest

from brittle import PGD, Lp
from brittle.errors import RunError
from training.test_adversarial import HARD, SHORT, trained
from training.test_fit import interrupt_and_go_on, kill_and_go_on


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    hard = replace(HARD, warmup=3.0, fraction=0.7)
    interrupt_and_go_on(partial(trained, hard), tmp_path / "state")


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    kill_and_go_on(trained, tmp_path / "state")


@pytest.mark.parametrize(
    "other",
    [
        None,
        *(replace(HARD, fraction=0.5), replace(HARD, warmup=1.0), replace(HARD, clean_epochs=1)),
        *(replace(HARD, threat=Lp("inf", 0.2)), replace(HARD, threat=Lp(2, 0.1)), replace(HARD, attack=PGD(steps=4))),
    ],
)
def test_a_checkpoint_of_another_attack_is_refused(tmp_path, other):
    settings = replace(SHORT, epochs=1)
    trained(settings=settings, checkpoint=tmp_path / "state")
    with pytest.raises(RunError, match="another training"):
        trained(other, settings, tmp_path / "state")
