"""`brittle train pixelcnn` and `wgan`, killed in the middle of an epoch and begun again with the same words."""

import json
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from forked import ending, kill
from typer.testing import CliRunner

from brittle.cli.app import app
from brittle.runs.kinds import CHECKPOINT_FILE, EPOCHS_FILE, WEIGHTS_FILE
from brittle.training.generative import CriticWithPenalty, MaximumLikelihood

WORDS = "--data digits:train --max-images 24 --epochs 3 --seed 4 --out"
KINDS: dict[str, tuple[type, str]] = {
    "pixelcnn": (MaximumLikelihood, "width=4,depth=1,size=8,batch=8,shift=1"),
    "wgan": (CriticWithPenalty, "latent=3,features=4,size=8,batch=8,critic_steps=2"),
}
STEPS = 24 // 8
"""Of an epoch."""


def trained(kind: str, folder: Path) -> None:
    words = ["train", kind, *WORDS.split(), str(folder), "--set", KINDS[kind][1]]
    found = CliRunner().invoke(app, words, catch_exceptions=False)
    assert found.exit_code == 0, found.output


def course(folder: Path) -> dict[str, Any]:
    """All that the folder tells of the training but the seconds that it took."""
    story = json.loads((folder / EPOCHS_FILE).read_text())
    for epoch in story["epochs"]:
        del epoch["seconds"]
    return story


@pytest.mark.parametrize("kind", KINDS)
def test_killed_with_kill_9_it_goes_on_to_the_same_bits(kind: str, tmp_path: Path):
    whole, folder = tmp_path / "whole" / "g", tmp_path / "killed" / "g"
    trained(kind, whole)
    lesson = KINDS[kind][0]
    learn: Callable[..., Any] = lesson.learn

    def killed(step: int) -> None:
        """Train and be killed after the weights have moved in a step; only in a copy of this process."""
        steps = count()

        def moved(*given: Any) -> Any:
            found = learn(*given)
            if next(steps) == step:
                kill()
            return found

        lesson.learn = moved
        trained(kind, folder)

    for step in (STEPS - 1, STEPS + 1, 1):  # before the first checkpoint; in the second epoch; in it once more
        assert ending(lambda step=step: killed(step)) == -signal.SIGKILL
        assert (folder / CHECKPOINT_FILE).exists() == (step != STEPS - 1)
        assert not (folder / WEIGHTS_FILE).exists()
    trained(kind, folder)
    assert (folder / WEIGHTS_FILE).read_bytes() == (whole / WEIGHTS_FILE).read_bytes()
    assert course(folder) == course(whole)
    assert {one.name for one in folder.iterdir()} == {one.name for one in whole.iterdir()}
