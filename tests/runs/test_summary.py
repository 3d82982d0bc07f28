"""The figures of a run from rows written by hand: whose they are, and over which images."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from brittle import metrics
from brittle.evaluation.gate import ExitCode, Gate
from brittle.runs.finding import Finding, Health
from brittle.runs.manifest import AttackInfo, DataInfo, Manifest, NetworkInfo, ThreatInfo
from brittle.runs.schema import SCHEMA
from brittle.runs.store import RunFolder
from brittle.runs.summary import Summary, summarise

COUNT = 6
RIGHT = [True, True, True, True, False, True]


def named(p: str) -> str:
    return f"l{p}" if p in ("0", "1", "2", "inf") else p


def attack(key: str, kind: str = "minimum", p: str = "inf", radius: float | None = None) -> AttackInfo:
    return AttackInfo(key=key, spec=key, name=key, settings={}, kind=kind, norm=named(p), radius=radius)


def manifest(*attacks: AttackInfo, p: str = "inf", radius: float | None = 0.25, **changes: object) -> Manifest:
    return Manifest(
        created="2026-01-01T00:00:00+00:00",
        command=[],
        seed=0,
        device="cpu",
        machine="",
        batch=4,
        block=COUNT,
        max_images=None,
        network=NetworkInfo(spec="net.pt2", digest="a" * 64, parameters=5, input_shape=(1, 2, 2), bounds=(0.0, 1.0)),
        data=DataInfo(spec="digits", digest="b" * 64, images=COUNT, classes=["0", "1"], fit={"crop": "center"}),
        threat=ThreatInfo(norm=named(p), radius=radius),
        attacks=list(attacks),
        versions={"brittle": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
        **changes,
    )


def rows(success: list[bool], size: list[float], **columns: list[object]) -> pa.Table:
    """Six images, of which the fifth was wrong before; sizes are those of every norm, and the images have norm 2."""
    empty = {"bool": False, "string": "x", "binary": None, "int64": 0, "int32": 0, "float": 0.5, "double": 0.0}
    plain: dict[str, list[object]] = {field.name: [empty[str(field.type)]] * COUNT for field in SCHEMA}
    plain |= {"index": list(range(COUNT)), "correct": RIGHT, "success": success, "rounded_success": success}
    plain |= dict.fromkeys(("size", "l0", "l1", "l2", "linf"), size)
    plain |= dict.fromkeys(("image_l1", "image_l2", "image_linf"), [2.0] * COUNT)
    return pa.table({**plain, **columns}, schema=SCHEMA)


def summary(tmp_path, made: Manifest, *tables: pa.Table, health: Health | None = None) -> Summary:
    with RunFolder.create(tmp_path / "run", made) as folder:
        for info, table in zip(made.attacks, tables, strict=True):
            folder.write_part(info.key, 0, table)
        if health is not None:
            folder.write_health(health.model_copy(update={"run": made.identity}))
        return summarise(folder)


ALL = [True, True, True, True, False, True]
SIZES = [0.1, 0.2, 0.3, 0.4, 0.0, 0.5]


def test_the_figures_of_a_search(tmp_path):
    table = rows(
        ALL,
        SIZES,
        l2=[1.0] * COUNT,
        image_linf=[1.0, 1.0, 1.0, 2.0, 9.0, 1.0],
        rounded_success=[True, False, True, True, False, True],
        forward=[10, 20, 30, 40, 900, 50],
        backward=[1, 2, 3, 4, 90, 5],
        seconds=[0.1, 0.2, 0.3, 0.4, 9.0, 0.5],
        nonfinite_outputs=[0, 3, 0, 1, 0, 0],
        nonfinite_gradients=[0, 0, 7, 0, 1, 1],
    )
    found = summary(tmp_path, manifest(attack("deepfool")), table)
    (line,) = found.attacks
    assert (found.images, found.bad, found.norm, found.radius) == (6, 0, "linf", 0.25)
    assert (found.clean, found.robust) == (metrics.proportion(5, 6), metrics.proportion(3, 6))
    assert (found.median.value, found.median.n) == (0.3, 5)
    assert (line.spec, line.kind) == ("deepfool", "minimum")
    assert (line.success, line.rounded) == (metrics.proportion(5, 5), metrics.proportion(4, 5))
    assert (line.median.value, line.median.n) == (0.3, 5)
    assert line.rho.value == pytest.approx((0.1 + 0.2 + 0.3 + 0.2 + 0.5) / 5), "relative in its own norm"
    assert (line.forward, line.backward, line.seconds) == (30, 3, pytest.approx(0.3))
    assert (line.median_queries, line.most_queries) == (35, 900), "over all images, as a budget counts"
    assert (line.nonfinite_outputs, line.nonfinite_gradients) == (2, 3)
    assert (line.quantization_cost, found.quantization, found.budget, found.health) == (None, None, None, None)


def test_a_search_has_no_relative_size_where_an_image_is_black_or_sizes_are_counts(tmp_path):
    black = rows(ALL, SIZES, image_linf=[2.0] * 5 + [0.0])
    for number, (p, table, some) in enumerate(
        [("inf", black, False), ("inf", rows(ALL, SIZES), True), ("0", black, False), ("pixels", black, False)]
    ):
        (line,) = summary(tmp_path / str(number), manifest(attack("a", p=p), p=p), table).attacks
        assert (line.rho is not None) == some
        assert line.median is not None


def test_an_attack_at_a_radius_has_no_median_and_what_nobody_was_right_on_has_no_rate(tmp_path):
    (line,) = summary(tmp_path / "a", manifest(attack("fgsm", "fixed", radius=0.25)), rows(ALL, SIZES)).attacks
    assert (line.median, line.rho) == (None, None)
    assert line.success.value == 1, "by the attack's own word"
    wrong = rows([False] * 6, [0.0] * 6, correct=[False] * 6, forward=[1] * 6)
    found = summary(tmp_path / "b", manifest(attack("deepfool")), wrong)
    (line,) = found.attacks
    assert (line.success, line.rounded, line.median, line.rho, found.median) == (None, None, None, None, None)
    assert math.isnan(line.forward)
    assert (found.clean.value, found.robust.value, line.most_queries) == (0, 0, 1)


def test_the_median_is_of_searches_and_the_worst_case_of_all(tmp_path):
    one = rows([True, True, False, False, False, True], [0.1, 0.5, np.inf, np.inf, 0, 0.7])
    two = rows([False, True, True, False, False, False], [np.inf, 0.4, 0.6, np.inf, 0, np.inf])
    at = rows([False, False, True, False, False, False], [np.inf, np.inf, 0.2, np.inf, 0, np.inf])
    infos = [attack("one"), attack("two"), attack("at", "fixed", radius=0.25)]
    found = summary(tmp_path, manifest(*infos), one, two, at)
    assert found.median.value == 0.6, "of 0.1, 0.4, 0.6, 0.7 and infinity"
    assert found.robust == metrics.proportion(3, 6)
    only = summary(tmp_path / "only", manifest(infos[2]), at)
    assert only.median is None


def test_the_cost_of_a_lattice_is_told_where_there_was_one(tmp_path):
    table = rows(ALL, [0.2, 0.2, 0.2, 0.2, 0.0, 0.2], size_unrounded=[0.1, 0.1, 0.1, 0.1, 0.0, 0.1])
    found = summary(tmp_path / "a", manifest(attack("deepfool"), quantization=2), table)
    assert found.quantization == 2
    assert found.attacks[0].quantization_cost.value == pytest.approx(1)
    none = rows([False] * 6, [np.inf] * 6, size_unrounded=[np.inf] * 6)
    assert (
        summary(tmp_path / "b", manifest(attack("deepfool"), quantization=2), none).attacks[0].quantization_cost is None
    )
    flow = summary(tmp_path / "c", manifest(attack("adef", p="flow"), p="flow", quantization=2), table)
    assert flow.attacks[0].quantization_cost is None
    assert flow.norm == "flow"


def finding(status: str, error: str = "too high") -> Finding:
    said = {"title": "A title", "value": math.inf, "text": "", "rule": "", "source": "", "remedy": "Mend it."}
    return Finding(check="a-check", status=status, error=error, **said)


def test_json_says_what_the_checks_found_and_tells_infinite_from_absent(tmp_path):
    health = Health(run="", thorough=True, passes=3, fraction=0.5, findings=[finding("pass"), finding("fail")])
    found = summary(tmp_path, manifest(attack("one"), budget=9), rows([False] * 6, [np.inf] * 6), health=health)
    plain = found.plain()
    json.dumps(plain, allow_nan=False)
    assert plain["verdict"] == {"reliable": False, "headline": health.headline, "failed": ["a-check"]}
    assert set(plain["health"]) == {"thorough", "passes", "fraction", "findings"}
    assert plain["health"]["findings"][0]["value"] is None
    assert (plain["interval_level"], plain["budget"], plain["median"]["value"]) == (0.95, 9, "inf")
    assert plain["attacks"][0]["quantization_cost"] is None


def test_a_gate(tmp_path):
    """Of six images three stand, from 11.8 % to 88.2 %."""

    def gate(least: float, *findings: Finding, **options: bool) -> Gate:
        health = Health(run="", thorough=False, passes=3, fraction=0.5, findings=list(findings)) if findings else None
        made = manifest(attack("one"))
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        return Gate.of(summary(place, made, rows(ALL, SIZES), health=health), least, **options)

    low = metrics.proportion(3, 6).low
    assert gate(low).code is ExitCode.DONE, "as high as was asked"
    assert gate(low).plain() == {"least": low, "passed": True, "code": 0, "reason": ""}
    below = gate(low + 1e-9)
    assert (below.code, below.plain()["passed"]) == (ExitCode.BELOW_GATE, False)
    assert below.reason == "the lower bound of the robust accuracy, 11.8%, is below 11.8%"
    assert gate(0.1, finding("fail")).code is ExitCode.UNRELIABLE
    assert "the robust accuracy of 50.0% cannot be relied on" in gate(0.1, finding("fail")).reason
    assert "“A title” failed; first: Mend it. (--ignore-health" in gate(0.1, finding("fail")).reason
    assert gate(0.1, finding("fail"), ignore_health=True).code is ExitCode.DONE
    assert gate(0.1, finding("fail", "too low"), finding("warn")).code is ExitCode.DONE
    assert gate(0.9, finding("fail")).code is ExitCode.BELOW_GATE, "that is said first"
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "BELOW_GATE": 1,
        "REFUSED": 2,
        "UNRELIABLE": 3,
        "UNEXPECTED": 70,
        "INTERRUPTED": 130,
    }
