"""A killed adversarial training goes on where it stopped, and only where it is the same training."""

from dataclasses import replace

import pytest

from brittle import PGD, Lp
from brittle.errors import RunError
from training.test_adversarial import HARD, SHORT, trained
from training.test_fit import Interrupted, same, train_and_kill


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    def interrupt(epoch):
        if epoch.number == 2:
            raise Interrupted

    hard = replace(HARD, warmup=3.0, fraction=0.7)
    with pytest.raises(Interrupted):
        trained(hard, checkpoint=tmp_path / "state", progress=interrupt)
    resumed, history = trained(hard, checkpoint=tmp_path / "state")
    whole, expected = trained(hard)
    assert history.resumed == 2
    assert history == expected
    assert same(resumed, whole)


def test_a_training_killed_with_kill_9_goes_on_to_the_same_bits(tmp_path):
    train_and_kill(trained, tmp_path / "state")
    resumed, history = trained(checkpoint=tmp_path / "state")
    whole, expected = trained()
    assert history.resumed == 1
    assert history == expected
    assert same(resumed, whole)


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
