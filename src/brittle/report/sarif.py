"""Verdicts as SARIF 2.1.0, which code hosts show beside the code: a rule a check, a result where it did not hold."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from brittle.identity.compare import fingerprint
from brittle.names import in_shell, shown, stored_within
from brittle.runs.json_numbers import json_numbers
from brittle.runs.kinds import TOOL
from brittle.runs.verdicts import Line, Verdicts, flat
from brittle.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"failed": "error", "error": "error", "warned": "warning"}
"""Of the verdicts that become results: what holds is none, since code hosts would show it as a fault."""


def sarif(results: Sequence[Verdicts]) -> bytes:
    """Return the text of a SARIF file with a run for each of the results.

    Args:
        results: one or several runs.

    Example:
        >>> line = Line("health", "gradients", "Gradients that say something", "failed", text="31 % are 0")
        >>> (run,) = json.loads(sarif([Verdicts("audit", "nets/net.py:make", [line], {"eps": 0.1})]))["runs"]
        >>> (found,) = run["results"]
        >>> found["level"], found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        ('error', 'nets/net.py')
    """
    whole: Any = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(one) for one in results]}
    return (json.dumps(stored_within(json_numbers(whole)), indent=1, allow_nan=False) + "\n").encode()


def _run(result: Verdicts) -> dict[str, Any]:
    asked = [line for line in result.lines if line.rule or line.verdict in LEVELS]
    numbers = {_id(line): number for number, line in enumerate(asked)}
    invocation = {
        "executionSuccessful": not any(line.verdict == "error" for line in result.lines),
        "exitCode": result.exit_code,
        **({"commandLine": in_shell(result.command)} if result.command else {}),
        **_times(result),
    }
    attacks = {line.name: flat(line.figures) for line in result.lines if line not in asked}
    return {
        "tool": {"driver": {"name": TOOL, "version": __version__, "rules": [_rule(line) for line in asked]}},
        "automationDetails": {"id": f"{TOOL}/{result.name}/{result.called}/"},
        "invocations": [invocation],
        "results": [_result(result, line, numbers[_id(line)]) for line in asked if line.verdict in LEVELS],
        "properties": {
            "network": result.called,
            **({"run_folder": result.folder} if result.folder else {}),
            **flat(result.figures),
            **({"attacks": attacks} if attacks else {}),
        },
    }


def _times(result: Verdicts) -> Mapping[str, str]:
    times = {"startTimeUtc": result.created, "endTimeUtc": result.finished}
    return {
        name: datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, time in times.items()
        if time is not None
    }


def _id(line: Line) -> str:
    return f"{line.group}/{line.name}"


def _rule(line: Line) -> dict[str, Any]:
    level = "error" if line.verdict != "warned" else "warning"
    return {
        "id": _id(line),
        "shortDescription": {"text": shown(line.title)},
        **({"fullDescription": {"text": shown(line.rule)}} if line.rule else {}),
        "help": {"text": shown(line.remedy or line.title)},
        "defaultConfiguration": {"level": level},
        **({"properties": {"source": shown(line.source)}} if line.source else {}),
    }


def _result(result: Verdicts, line: Line, number: int) -> dict[str, Any]:
    sentences = [one if one.endswith((".", "!", "?")) else f"{one}." for one in (line.text, line.remedy) if one]
    return {
        "ruleId": _id(line),
        "ruleIndex": number,
        "level": LEVELS[line.verdict],
        "message": {"text": shown(" ".join(sentences) or line.title)},
        "locations": [_location(result.target)],
        "partialFingerprints": {"brittle/v1": fingerprint([_id(line), result.called])},
        "properties": flat(line.figures),
    }


def _location(target: str) -> dict[str, Any]:
    """Where a network is: its file; of one that is no file, its name, since code hosts show nothing without a place."""
    file, _, factory = target.rpartition(":")
    file = file if file.endswith(".py") else target
    region = {"startLine": 1}  # code hosts take no place without a line
    place = {"artifactLocation": {"uri": quote(file, safe="/")}, "region": region}
    logical = [{"name": factory, "kind": "function"}] if file != target else []
    return {"physicalLocation": place, **({"logicalLocations": logical} if logical else {})}
