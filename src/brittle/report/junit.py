"""Verdicts as JUnit XML, which CI servers show as tests: the dialect whose schema the xUnit plugin of Jenkins states.

That schema has properties of a suite alone, so that the figures of a line stand there, under its name; a reader finds
them once more in the line's output.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from brittle.names import shown
from brittle.runs.kinds import JUNIT_MARK
from brittle.runs.verdicts import Line, Verdicts, flat

ELEMENTS = {"failed": "failure", "skipped": "skipped", "error": "error"}
"""What JUnit calls verdicts; a warning is a passed test with a word in its output."""


def junit(results: Sequence[Verdicts]) -> bytes:
    """Return the text of a JUnit file: a suite for each run, and a test for each of its lines.

    Args:
        results: one or several runs.

    Example:
        >>> line = Line("gate", "fail-under", "At least 40 %", "failed", text="it is 20 %", remedy="Train it.")
        >>> text = junit([Verdicts("audit", "net.pt2", [line], {"eps": 0.1})]).decode()
        >>> '<failure type="gate" message="it is 20 %">' in text, 'tests="1" failures="1" errors="0"' in text
        (True, True)
    """
    root = ElementTree.Element("testsuites", name=JUNIT_MARK)
    for result in results:
        _suite(root, result)
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _suite(root: ElementTree.Element, result: Verdicts) -> None:
    ends = [line.verdict for line in result.lines]
    counts = {"failures": "failed", "errors": "error", "skipped": "skipped"}
    about = {
        "name": shown(f"brittle {result.name} {result.called}"),
        "tests": str(len(ends)),
        **{name: str(ends.count(end)) for name, end in counts.items()},
        "time": f"{result.seconds:.3f}",
    }
    suite = ElementTree.SubElement(root, "testsuite", about)
    if result.created is not None:
        begun = datetime.fromisoformat(result.created).astimezone(UTC)
        suite.set("timestamp", begun.strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ElementTree.SubElement(suite, "properties")
    own = {"network": result.called, "exit_code": result.exit_code, **flat(result.figures)}
    own |= {"run_folder": result.folder} if result.folder else {}
    for line in result.lines:
        own |= {f"{line.group}.{line.name}.{name}": one for name, one in flat(line.figures).items()}
    for name, value in own.items():
        ElementTree.SubElement(properties, "property", name=shown(name), value=shown(str(value)))
    for line in result.lines:
        _test(suite, result, line)


def _test(suite: ElementTree.Element, result: Verdicts, line: Line) -> None:
    test = ElementTree.SubElement(
        suite, "testcase", name=shown(line.title), classname=shown(f"brittle.{result.name}.{line.group}"), time="0"
    )
    if (element := ELEMENTS.get(line.verdict)) is not None:
        about = {"message": shown(line.text)} if element == "skipped" else _about(line)
        one = ElementTree.SubElement(test, element, about)
        if element != "skipped":
            one.text = "\n".join([shown(line.text), f"rule: {shown(line.rule)}", f"remedy: {shown(line.remedy)}"])
    out = [f"warning: {shown(line.text)}", f"remedy: {shown(line.remedy)}"] if line.verdict == "warned" else []
    out += [shown(line.text)] if line.verdict == "passed" and line.text else []
    out += [shown(f"{name}: {value}") for name, value in flat(line.figures).items()]
    if out:
        ElementTree.SubElement(test, "system-out").text = "\n".join(out)


def _about(line: Line) -> dict[str, str]:
    return {"type": line.group, "message": shown(line.text)}
