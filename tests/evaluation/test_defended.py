"""A defended network is attacked as by one who knows the defence, or as by one who does not."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from PIL import Image
from typer.testing import CliRunner

from brittle import Classifier, audit
from brittle.cli.app import app
from brittle.data import open_source
from brittle.defences.bit_depth import BitDepth
from brittle.defences.chain import Chain
from brittle.defences.quilting import Quilting
from brittle.errors import InputError, RunError
from brittle.evaluation.attack import attack
from brittle.evaluation.defence import audit_defence
from brittle.evaluation.defended import Defended, defence_of, spelled_defence
from brittle.evaluation.spec import parse_defence
from brittle.evaluation.universal import universal
from brittle.metrics import proportion, robust_accuracy
from brittle.metrics.formats import percent
from brittle.report import write_report
from brittle.report.defence_page import render
from brittle.runs.defence import DefenceFolder, DefenceSummary
from brittle.runs.summary import Summary

ASKED = {"attacks": ["pgd:steps=10"], "eps": 0.1, "max_images": 30}


def robust(run) -> float:
    return robust_accuracy([run.table(one.key) for one in run.manifest.attacks]).value


@pytest.fixture(scope="module")
def both():
    asked = {"defence": "bit-depth:bits=2", **ASKED}
    return [audit("digits-lenet", "digits", naive=naive, **asked) for naive in (True, False)]


def test_who_knows_the_defence_breaks_more(both, few_checks):
    naive, adaptive = map(robust, both)
    assert naive > 0.9
    assert adaptive < naive - 0.2


def test_the_manifest_says_which_defence_and_how_it_was_met(both):
    naive, adaptive = (run.manifest.network for run in both)
    assert naive.defence == adaptive.defence == "bit-depth:bits=2"
    assert naive.attacked == "naively"
    assert "BPDA" in adaptive.attacked
    assert both[0].manifest.identity != both[1].manifest.identity


def test_a_check_of_the_gradient_tells_them_apart(both):
    naive, adaptive = ({one.check: one.status for one in run.health().findings} for run in both)
    assert naive["gradients"] == "fail"
    assert adaptive["gradients"] == "pass"


def test_saved_images_break_the_defended_network(tmp_path):
    asked = {"attack": "pgd:steps=10", "norm": "linf", "eps": 0.1, "max_images": 10}
    found = attack("digits-lenet", "digits", tmp_path / "adaptive", defence="bit-depth:bits=2", **asked)
    naive = attack("digits-lenet", "digits", tmp_path / "naive", defence="bit-depth:bits=2", naive=True, **asked)
    assert sum(one.success for one in found) > sum(one.success for one in naive)


def test_a_universal_perturbation_is_made_through_the_defence(tmp_path):
    asked = {"attack": "ascent:passes=1", "eps": 0.1, "max_images": 40, "defence": BitDepth(2)}
    found = universal("digits-lenet", "digits", out=tmp_path / "v", **asked)
    assert found.perturbation.tensor.abs().max() > 0


def test_several_defences_are_written_with_a_plus():
    chain = parse_defence("bit-depth:bits=2+bit-depth")
    assert chain == Chain((BitDepth(2), BitDepth()))
    assert spelled_defence(chain) == "bit-depth:bits=2+bit-depth"
    classifier, images = convolutional(), middle()
    whole = Classifier(torch.nn.Identity()).around(classifier.module)
    assert torch.equal(
        chain.protect(classifier).logits(images), BitDepth(2).protect(BitDepth().protect(whole)).logits(images)
    )
    assert torch.equal(chain.shown(classifier, images), BitDepth().transform(BitDepth(2).transform(images)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("bitdepth", "bit-depth"),
        ("bit-depth:bits=9", "8"),
        ("bit-depth:levels=3", "bits"),
        (3, "expected text such as bit-depth"),
        ("bit-depth+", "bit-depth"),
        ("bit-depth(pgd)", "takes no attack"),
    ],
)
def test_what_is_no_defence_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        defence_of(given)


@pytest.mark.parametrize("alone", [{"naive": True}, {"defence_data": "digits:train"}])
def test_what_is_said_of_no_defence_is_refused(alone, tmp_path):
    with pytest.raises(InputError, match="no defence; say which"):
        audit("digits-lenet", "digits", tmp_path / "run", **ASKED, **alone)
    assert not (tmp_path / "run").exists()


def test_bounds_other_than_0_to_1_are_met():
    classifier = convolutional(scale=255.0)
    images = middle(span=255.0)
    one = Defended.of(BitDepth(2), classifier, None, naive=False)
    seen = one.defence.shown(classifier, images)
    torch.testing.assert_close(seen / 85, (images / 85).round())
    assert torch.equal(one.classifier.logits(images), classifier.logits(seen))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    asked = {"defence": "bit-depth:bits=2", **ASKED}
    return audit_defence("digits-lenet", "digits", tmp_path_factory.mktemp("both"), **asked)


def test_both_audits_and_the_pictures_lie_in_one_folder(folder, both):
    for run, alone in zip((folder.naive, folder.adaptive), both, strict=True):
        assert run.manifest.identity == alone.manifest.identity
    shown = [files for _, files in folder.pictures()]
    assert shown
    original, seen, adversarial, seen_adversarial = (np.asarray(Image.open(one)) for one in shown[0])
    assert len(np.unique(seen)) <= 4 < len(np.unique(original))
    assert len(np.unique(seen_adversarial)) <= 4
    assert np.abs(adversarial.astype(int) - original).max() <= round(0.1 * 255) + 1
    assert DefenceFolder.open(folder.path).adaptive.manifest == folder.adaptive.manifest


def test_the_summary_says_what_is_no_robustness_and_what_told(folder):
    both = DefenceSummary.of(folder)
    assert both.difference == both.naive.robust.value - both.adaptive.robust.value > 0.2
    assert "gradients" in [one.check for one in both.told_by]
    plain = both.plain()
    assert plain["told_by"] == [one.check for one in both.told_by]
    assert plain["naive"]["robust"]["value"] == both.naive.robust.value


def test_few_images_tell_nothing_of_a_defence(folder):
    def where(summary: Summary, status: str) -> Summary:
        findings = [
            one.model_copy(update={"status": status}) if one.check in ("sample", "gradients") else one
            for one in summary.health.findings
        ]
        return replace(summary, health=summary.health.model_copy(update={"findings": findings}))

    both = DefenceSummary.of(folder)
    both = replace(both, naive=where(both.naive, "warn"), adaptive=where(both.adaptive, "pass"))
    told = [one.check for one in both.told_by]
    assert "gradients" in told
    assert "sample" not in told


def test_equal_figures_are_no_evidence_of_robustness_where_nothing_was_broken(folder):
    both = DefenceSummary.of(folder)
    unbroken = replace(both.adaptive, robust=both.adaptive.clean)
    equal = replace(both, naive=replace(both.naive, robust=both.adaptive.robust))
    nothing = replace(both, naive=replace(both.naive, robust=both.adaptive.clean), adaptive=unbroken)
    assert equal.conclusion.endswith("gains nothing by it.")
    assert nothing.conclusion == (
        "The adaptive attack broke nothing either; this is no evidence of robustness: add a black-box attack such as "
        "--attack square."
    )
    assert both.told_by
    for one in (equal, nothing):
        page = render(folder, one)
        assert one.conclusion in page
        assert "could have known" not in page
    assert "could have known" in render(folder, both)
    worse = replace(equal, naive=replace(both.naive, robust=proportion(0, 30)))
    assert "gains nothing by it. The naive attack broke" in worse.conclusion


def test_other_draws_are_those_of_the_adversary_and_said(tmp_path):
    asked = {"attacks": ["fgsm"], "eps": 0.1, "max_images": 4, "eot_samples": 3}
    found = audit_defence("digits-lenet", "digits", tmp_path, defence="tv+randomise:growth=1.3,keep_size=true", **asked)
    naive, adaptive = found.naive.manifest, found.adaptive.manifest
    assert (naive.eot_samples, adaptive.eot_samples) == (1, 3)
    assert adaptive.network.attacked.count("over 3 draws (EOT)") == 2


def test_the_page_says_both(folder):
    page = write_report(folder.path).read_text()
    both = DefenceSummary.of(folder)
    for said in ("bit-depth:bits=2", "BPDA", percent(both.naive.robust.value), percent(both.adaptive.robust.value)):
        assert said in page
    assert page.count('alt="Image ') == 4 * len(list(folder.pictures()))


def test_an_audit_of_a_defence_needs_one(tmp_path):
    with pytest.raises(InputError, match="no defence is named"):
        audit_defence("digits-lenet", "digits", tmp_path)
    with pytest.raises(RunError, match="holds no two audits"):
        DefenceFolder.open(tmp_path)


def test_the_command_attacks_twice(tmp_path, few_checks):
    asked = ["audit", "digits-lenet", "--data", "digits", "--max-images", "10", "--eps", "0.1", "--attack", "fgsm"]
    asked += ["--out", str(tmp_path / "run"), "--defence", "bit-depth:bits=2"]
    found = CliRunner().invoke(app, [*asked, "--json"])
    said = json.loads(found.output)
    assert said["naive"]["robust"]["value"] == 1 > said["adaptive"]["robust"]["value"]
    assert "points naively" in CliRunner().invoke(app, asked).output
    gate = CliRunner().invoke(app, [*asked, "--fail-under", "0.9", "--ignore-health"])
    assert gate.exit_code == 1


def test_what_a_known_defence_does_is_no_fault_of_the_evaluation(both):
    naive, adaptive = ({one.check: one.status for one in run.health().findings} for run in both)
    assert naive["stable"] != "skipped"
    assert adaptive["stable"] == "skipped"


def test_a_defence_is_made_ready_once_and_one_that_is_ready_needs_no_images(tmp_path, monkeypatch, few_checks):
    times = []
    prepare = Quilting.prepare
    monkeypatch.setattr(Quilting, "prepare", lambda *of: (times.append(len(of[2])), prepare(*of))[1])
    asked = {"attacks": ["fgsm"], "eps": 0.1, "max_images": 4}
    spec = "quilting:bank=200+bit-depth"
    audit_defence("digits-lenet", "digits", tmp_path / "both", defence=spec, defence_data="digits:train", **asked)
    assert times == [64]
    ready = Quilting(bank=200).prepare(convolutional(), next(open_source("digits:train").blocks(64)).images)
    run = audit("digits-lenet", "digits", tmp_path / "one", defence=ready, **asked)
    assert run.manifest.network.defence == "quilting:bank=200"
