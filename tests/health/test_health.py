"""The health of an audit: kept in the run folder, made once, cheap, and shown."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import affine, middle
from markupsafe import escape
from torch import Tensor, nn

from brittle import Classifier, Lp, run
from brittle.attacks.pgd import PGD
from brittle.core.attack import uses_gradients
from brittle.evaluation.audit import audit
from brittle.evaluation.spec import parse_attack
from brittle.health import gradients
from brittle.health.counting import CountingClassifier
from brittle.health.repeats import moved
from brittle.health.rerun import in_box
from brittle.health.thorough import doubled
from brittle.models import Network, open_network
from brittle.report import write_report
from brittle.runs.finding import HEALTH, Finding, Health
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise
from brittle.studies.faults.bench import case, network
from brittle.studies.faults.networks import Purifies, Quantised
from brittle.terminal import show_summary
from brittle.threats import parse_threat

ASKED = {"attacks": ["fgsm", "pgd:steps=10"], "eps": 0.1, "max_images": 40}


def test_the_meter_counts_every_pass_as_the_rows_do():
    inner = affine()
    meter = CountingClassifier(inner)
    result = run(PGD(steps=4, random_start=False), meter.metered(), middle(7), threat=Lp("inf", 1e-6))
    assert meter.passes == int((result.forward + result.backward).sum())
    told: list[int] = []
    with meter.heard(lambda images, logits: told.append(len(images))):
        meter.metered().logits(middle(3))
    meter.metered().logits(middle(3))
    assert told == [3]


@pytest.mark.parametrize("p", ["0", "1", "2", "inf", "pixels"])
def test_changes_are_measured_as_the_threats_measure_them(p: str):
    image = middle(1)[0]
    points = torch.where(torch.rand(5, *image.shape) < 0.5, image + 0.1 * torch.randn(5, *image.shape), image)
    threat = parse_threat(p)
    expected = threat.size(image.expand_as(points), points)
    np.testing.assert_allclose(threat.measured(image.numpy(), points.numpy()), expected.numpy(), rtol=1e-12)
    assert in_box(np.array([[0.0, 1.0], [-1e-9, 0.5], [0.5, 1 + 1e-9]]), (0.0, 1.0)).tolist() == [True, False, False]


def test_incomplete_optimisation_is_the_published_rule():
    assert moved(np.linspace(0, 1, 101)) == pytest.approx(0.1)
    assert moved(np.linspace(0, 1, 21)) == pytest.approx(0.25), "the last quarter of a short path"
    assert moved(np.r_[np.linspace(0, 1, 50), np.ones(11)]) == 0
    assert moved(np.r_[np.linspace(0, 1, 50), 0.9 * np.ones(11), math.nan]) == 0, "best so far, without what is missing"
    assert moved(np.array([0.0])) == 0


def test_gradients_are_declared():
    named = {text: uses_gradients(parse_attack(text).attack) for text in ("pgd", "noise", "one-pixel", "adef")}
    assert named == {"pgd": True, "noise": False, "one-pixel": False, "adef": True}
    assert uses_gradients(parse_attack("restarts(pgd):count=2").attack)
    assert not uses_gradients(parse_attack("smallest(noise):steps=3").attack)
    assert uses_gradients(parse_attack("cascade(noise;fgsm)").attack)


def test_doubling_finds_the_steps_wherever_they_are():
    assert doubled(parse_attack("pgd:steps=4,restarts=2").attack, "restarts") == PGD(steps=4, restarts=4)
    assert doubled(parse_attack("restarts(pgd:steps=4):count=2").attack, "steps").attack.steps == 8
    assert doubled(parse_attack("fgsm").attack, "steps") is None


class Hidden(Purifies):
    """Calls the engine under a name bound before anybody could look."""

    backward = staticmethod(torch.autograd.backward)

    def forward(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            self.backward(leaf.sum())
        return self.network(images - 0.01 * leaf.grad)


def test_optimisation_is_seen_under_any_name_and_without_a_trace_left():
    made = case(network(), [PGD(steps=2)], count=4)
    assert gradients.OPTIMISES(made).status == "pass"
    hidden = case(Hidden(network()), [PGD(steps=2)], count=4)
    assert gradients.OPTIMISES(hidden).status == "fail"
    assert gradients.OPTIMISES(made).status == "pass"


def test_health_is_kept_with_the_run_and_made_once(tmp_path: Path):
    folder = audit("digits-lenet", "digits", tmp_path / "run", **ASKED)
    health = folder.health()
    assert health is not None
    assert folder.manifest.status == "finished"
    assert not health.thorough
    assert health.count("fail") == 0
    written = (tmp_path / "run" / HEALTH).read_bytes()
    audit("digits-lenet", "digits", tmp_path / "run", **ASKED)
    assert (tmp_path / "run" / HEALTH).read_bytes() == written, "it was there, and is kept"
    (tmp_path / "run" / HEALTH).write_text("half of it")
    assert folder.health() is None
    again = audit("digits-lenet", "digits", tmp_path / "run", **ASKED).health()
    assert again == health, "and made again, as it was"
    folder.part_path("fgsm", 0).unlink()
    folder.write_health(health.model_copy(update={"passes": -1}))
    assert audit("digits-lenet", "digits", tmp_path / "run", **ASKED).health() == health, "rows were done again"


def test_thorough_adds_checks_and_changes_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("brittle.health.thorough.DRAWS", 300)
    asked = {**ASKED, "max_images": 12}
    cheap = audit("digits-lenet", "digits", tmp_path / "run", **asked)
    rows = cheap.table("pgd_steps=10")
    whole = audit("digits-lenet", "digits", tmp_path / "run", thorough=True, **asked)
    assert whole.manifest.identity == cheap.manifest.identity
    assert whole.table("pgd_steps=10").equals(rows)
    health = whole.health()
    assert health.thorough
    assert {"more-steps", "more-restarts", "more-draws", "all-guessing"} <= {one.check for one in health.findings}
    assert audit("digits-lenet", "digits", tmp_path / "run", **asked).health() == health, "more is kept than was asked"


def test_a_sound_audit_passes_for_at_most_a_twentieth_of_its_passes(tmp_path: Path):
    asked = {"attacks": ["noise:draws=10", "fgsm", "pgd:steps=40", "deepfool"], "eps": 0.1, "max_images": 100}
    health = audit("digits-lenet", "digits", tmp_path / "run", **asked).health()
    assert [(one.check, one.text) for one in health.ordered("fail", "warn")] == []
    assert health.count("pass") >= 24
    assert 0 < health.fraction <= 0.05
    words = write_report(tmp_path / "run").read_text()
    assert '<span class="status fail none"><span class="sign" aria-hidden="true">✕</span>0 fail</span>' in words
    assert "No check of the evaluation found a fault." in words
    assert "has not been checked" not in words
    (tmp_path / "run" / HEALTH).unlink()
    assert "has not been checked" in write_report(tmp_path / "run").read_text(), "runs made before"


def test_a_fault_is_shown_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    hidden = Quantised(network())
    made = audit(Network("x", hidden, "0" * 64, (1, 28, 28)), "digits", tmp_path / "run", **ASKED)
    health = made.health()
    assert {"gradients", "guessing", "unbounded"} <= {one.check for one in health.ordered("fail")}
    show_summary(summarise(made))
    told = " ".join(capsys.readouterr().err.split())
    assert f"{health.count('fail')} fail" in told
    page = write_report(tmp_path / "run").read_text()
    assert health.headline in page
    assert health.headline in told
    assert "✕ not reliable" in page
    assert "✕ not reliable" in told
    first = health.ordered("fail")[0]
    for finding in health.ordered("fail", "warn"):
        assert f"{finding.status.upper()} {finding.title}: {finding.text}" in told
        assert finding.remedy in told
        assert page.count(str(escape(finding.remedy))) == (2 if finding == first else 1)  # beside the headline too
    for finding in health.ordered("pass"):
        assert finding.remedy not in told
        assert str(escape(finding.text)) in page
    assert json.loads(json.dumps(summarise(made).plain()))["health"]["findings"][0]["check"] == "images"


def test_a_black_box_without_gradients_is_checked_as_far_as_it_goes(tmp_path: Path):
    plain = open_network("digits-lenet").module

    def service(images: Tensor) -> Tensor:
        return torch.from_numpy(plain(torch.from_numpy(images.numpy())).detach().numpy())

    boxed = Network("service", Classifier(service).module, "0" * 64, (1, 28, 28))
    health = audit(boxed, "digits", tmp_path / "run", attacks=["noise:draws=5"], eps=0.1, max_images=30).health()
    found = {one.check: one for one in health.findings}
    assert found["gradients"].status == "skipped"
    assert "cannot be differentiated" in found["gradients"].text
    assert found["randomised"].status == "pass"
    assert not [one for one in health.findings if "ended with an error" in one.text]


def test_a_network_that_fails_under_a_check_does_not_end_the_audit(tmp_path: Path):
    class Pairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = open_network("digits-lenet").module

        def forward(self, images: Tensor) -> Tensor:
            if len(images) == 3:
                raise RuntimeError("three at a time is too many")
            return self.network(images)

    folder = audit(Network("pairs", Pairs(), "0" * 64, (1, 28, 28)), "digits", tmp_path / "run", **ASKED)
    assert folder.health() is not None


def test_findings_are_sorted_and_survive_the_disk(tmp_path: Path):
    def finding(name: str, status: str) -> Finding:
        rest = {"title": name, "value": None, "text": "", "rule": "", "source": "", "remedy": ""}
        return Finding(check=name, status=status, **rest)

    states = {"a": "pass", "b": "fail", "c": "skipped", "d": "warn", "e": "pass"}
    findings = [finding(*item) for item in states.items()]
    health = Health(run="x", thorough=False, passes=3, fraction=0.01, findings=findings)
    assert [one.check for one in health.ordered()] == ["b", "d", "a", "e", "c"]
    assert health.count("pass") == 2
    assert Health.model_validate_json(json.dumps(health.model_dump())) == health
    folder = audit("digits-lenet", "digits", tmp_path / "run", attacks=["fgsm"], eps=0.1, max_images=4)
    folder.write_health(health)
    assert RunFolder.open(tmp_path / "run").health() is None, "of another run"
