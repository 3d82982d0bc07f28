"""A network that may refuse images, from the network to rows, figures, terminal, report and JSON."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier, audit, terminal
from brittle.errors import InputError
from brittle.evaluation.attack import attack
from brittle.evaluation.universal import universal
from brittle.metrics import false_alarms, refused_rate, robust_accuracy, success_rate
from brittle.report import write_report
from brittle.runs.summary import summarise


class Window(nn.Module):
    """Class 1 where the first pixel is above 0.5, and refused where it is between 0.5 and 0.7, or below 0.1."""

    def forward(self, images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        odd = torch.maximum(0.1 - (first - 0.6).abs(), 0.1 - first)
        logits = 10 * torch.stack([1 - first, first], 1)
        return torch.cat([logits, (logits.amax(1) + 10 * odd)[:, None]], 1)


FIRST = (0.05, 0.2, 0.3, 0.42, 0.45, 0.48, 0.85, 0.9)
"""A false alarm; five that radius 0.1 does not take past the window or not to it; two far beyond it."""


def images() -> tuple[Tensor, Tensor]:
    made = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4).repeat(len(FIRST), 1, 1, 1)
    made[:, 0, 0, 0] = torch.tensor(FIRST)
    return made, (torch.tensor(FIRST) > 0.5).long()


def network(oblivious: bool = False) -> Classifier:
    return Classifier(Window(), rejects=True, oblivious=oblivious)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    asked = {"attacks": ["fgsm", "pgd:steps=8"]}
    return {
        (oblivious, eps): audit(network(oblivious), images(), tmp_path_factory.mktemp("run") / "run", eps=eps, **asked)
        for oblivious, eps in ((True, 0.1), (False, 0.1), (False, 0.3))
    }


def test_fooled_and_not_refused_by_hand(runs):
    """Within 0.1, 0.42 to 0.48 get to 0.52 to 0.58, which is refused; within 0.3 they get past 0.7.

    What is returned of those that fail has the largest margin, min(20 x - 10, -10 odd): for 0.48 the image itself.
    """
    near = next(iter(runs[False, 0.1].tables().values()))
    assert false_alarms(near).value == 1 / 8
    assert near["clean_refused"].to_pylist() == [True] + [False] * 7
    assert near["correct"].to_pylist() == [False] + [True] * 7
    assert success_rate(near).value == 0
    assert robust_accuracy([near]).value == 7 / 8
    assert refused_rate(near).value == 2 / 7
    far = next(iter(runs[False, 0.3].tables().values()))
    found = dict(zip(FIRST, far["success"].to_pylist(), strict=True))
    assert [one for one, hit in found.items() if hit] == [0.42, 0.45, 0.48]


def test_the_naive_audit_is_told_by_its_own_check(runs):
    said = {key: next(one for one in run.health().findings if one.check == "refused") for key, run in runs.items()}
    assert said[True, 0.1].status == "fail"
    assert "does not know the detector" in said[True, 0.1].text
    assert (said[False, 0.3].status, said[False, 0.3].value) == ("warn", 1 / 4), "0.3 gets to 0.6 and no farther"
    assert runs[True, 0.1].manifest.identity != runs[False, 0.1].manifest.identity


def test_all_that_is_shown_says_it(runs, capsys):
    run = runs[True, 0.1]
    summary = summarise(run)
    assert summary.false_alarms is not None
    assert summary.plain()["false_alarms"]["value"] == 1 / 8
    assert summary.plain()["attacks"][0]["refused"]["value"] == 3 / 7
    terminal.show_summary(summary)
    told = " ".join(capsys.readouterr().err.split())
    assert "misclassified and not refused" in told
    assert "false alarms 12.5%" in told
    page = " ".join(write_report(run.path).read_text().split())
    assert "misclassified and not refused" in page
    assert "12.5% of 8 images" in page


def test_nothing_is_said_where_nothing_can_be_refused(tmp_path):
    plain = summarise(audit("digits-lenet", "digits", tmp_path / "run", attacks=["fgsm"], eps=0.1, max_images=4))
    assert plain.false_alarms is None
    assert "refused" not in json.dumps({**plain.plain(), "health": None})


def test_a_confidence_is_part_of_the_run(tmp_path):
    asked = {"attacks": ["pgd:steps=40,step_size=0.01"], "eps": 0.3}
    sure = audit(network(oblivious=True), images(), tmp_path / "sure", confidence=5.0, **asked)
    bare = audit(network(oblivious=True), images(), tmp_path / "bare", **asked)
    assert (sure.manifest.confidence, bare.manifest.confidence) == (5.0, 0.0)
    assert "confidence" not in bare.manifest.to_json().replace('"confidence_', "")
    hits = [int(np.sum(next(iter(run.tables().values()))["success"].to_pylist())) for run in (sure, bare)]
    assert hits == [3, 0], "won by 20 x - 10 = 5 at 0.75, or by as much as there is room for, beyond the window"
    with pytest.raises(InputError, match="confidence"):
        audit(network(), images(), tmp_path / "no", confidence=-1.0, **asked)


def test_saved_images_are_judged_with_the_detector(tmp_path):
    asked = {"attack": "fgsm", "norm": "linf"}
    near = attack(network(oblivious=True), images(), tmp_path / "near", eps=0.1, **asked)
    assert not any(one.success for one in near)
    far = attack(network(), images(), tmp_path / "far", eps=0.3, **asked)
    assert [one.success for one in far] == [False] * 3 + [True] * 3 + [False] * 2


def test_universal_perturbations_say_that_they_know_no_detectors(tmp_path):
    with pytest.raises(InputError, match="may refuse images"):
        universal(network(), images(), out=tmp_path / "v", eps=0.1, attack="ascent:passes=1")
