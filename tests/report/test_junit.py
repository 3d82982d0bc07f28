"""JUnit files, against the schema that the xUnit plugin of Jenkins states."""

from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema

from brittle.metrics import Estimate
from brittle.report.junit import junit
from brittle.runs.verdicts import Line, Verdicts, flat, portable

SCHEMA = Path(__file__).parents[1] / "fixtures" / "junit-10.xsd"
RATE = Estimate(0.5, 0.2, 0.8, 6)
LINES = [
    Line("gate", "fail-under", "At least 60 %", "failed", "50 % is < 60 % & too low", "a rule", "Mend it."),
    Line("health", "gradients", "Gradients", "warned", "seldom zero", "a rule", "Look."),
    Line("health", "mode", "Evaluation mode", "passed", "it is", "a rule"),
    Line("health", "noise", "Noise", "skipped", "no attack by noise", "a rule"),
    Line("health", "odd", "Odd", "error", "it ended \x1b[31m\u202e \udcff\nbadly", "a rule"),
    Line("attack", "pgd", "Attack pgd", "passed", "it broke half", figures={"success": RATE, "budget": None}),
]
RESULT = Verdicts(
    "audit",
    "nets/net.pt2",
    LINES,
    {"robust_accuracy": RATE, "eps": 0.1},
    created="2026-01-02T03:04:05+00:00",
    finished="2026-01-02T03:04:06+00:00",
)


@cache
def schema() -> Any:
    return xmlschema.XMLSchema(SCHEMA)


@pytest.mark.parametrize("results", [[], [RESULT], [RESULT, Verdicts("compare", "other", [], {})]])
def test_a_file_is_valid(results: list[Verdicts]):
    schema().validate(junit(results).decode())


def test_what_the_schema_does_not_know_is_noticed():
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema().validate(junit([RESULT]).decode().replace("<failure", "<broken").replace("</failure", "</broken"))


def test_a_suite_counts_its_tests_by_how_they_end():
    (suite,) = ElementTree.fromstring(junit([RESULT]))
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 6, "failures": 1, "errors": 1, "skipped": 1}
    assert (suite.attrib["time"], suite.attrib["timestamp"]) == ("1.000", "2026-01-02T03:04:05")


def test_a_failure_says_what_was_seen_and_how_to_mend_it():
    (suite,) = ElementTree.fromstring(junit([RESULT]))
    tests = {one.attrib["name"]: one for one in suite.iter("testcase")}
    failure = tests["At least 60 %"].find("failure")
    assert failure.attrib == {"type": "gate", "message": "50 % is < 60 % & too low"}
    assert failure.text.endswith("remedy: Mend it.")
    assert tests["Noise"].find("skipped").attrib["message"] == "no attack by noise"
    assert next(iter(tests["Gradients"])).text == "warning: seldom zero\nremedy: Look."
    assert tests["Odd"].find("error").attrib["message"] == r"it ended \x1b[31m\u202e \xff\nbadly"


def test_figures_stand_among_the_properties_of_the_suite():
    (suite,) = ElementTree.fromstring(junit([RESULT]))
    found = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert found["robust_accuracy"] == "0.5"
    assert found["attack.pgd.success_low"] == "0.2"
    assert found["attack.pgd.success_n"] == "6"
    assert not [name for name in found if "budget" in name], "what is absent is left out"


def test_an_estimate_without_an_interval_has_no_ends():
    assert flat({"x": Estimate(0.5, float("-inf"), float("inf"), 2)}) == {"x": 0.5, "x_n": 2}


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("/home/me/net.py:make", "net.py:make"),
        ("/elsewhere/net.pt2", "net.pt2"),
        ("--out=/home/me/runs/one", "--out=runs/one"),
        ("substitute:from=/elsewhere/v,steps=4", "substitute:from=v,steps=4"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("4/255", "4/255"),
        ("/home/me", "me"),
    ],
)
def test_words_lose_the_folders_of_one_machine(word: str, left: str):
    assert portable(word, Path("/home/me")) == left
