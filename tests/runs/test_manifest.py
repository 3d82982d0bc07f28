"""When two runs are the same, and what is said of what differs."""

import re

import pytest
from pydantic import ValidationError
from test_store import attack, manifest

from brittle.runs.manifest import CodeInfo, DataInfo, NetworkInfo, ThreatInfo


def code(yours: dict[str, str], brittle: str = "b" * 64) -> CodeInfo:
    return CodeInfo(brittle=brittle, yours=yours, packages={})


def test_files_that_one_of_two_calls_loaded_late_make_no_other_run():
    before = manifest(code=code({"a.py": "1", "b.py": "2"}), files={"/p/b.py": "2", "/p/c.py": "3"})
    now = manifest(code=code({"a.py": "1", "c.py": "3"}))
    assert now.identity != before.identity
    assert now.without_late(before).code.yours == {"a.py": "1", "b.py": "2"}
    assert before.differences(now.without_late(before)) == []
    changed = manifest(code=code({"a.py": "1", "b.py": "2", "c.py": "4"}))
    assert changed.without_late(before).code.yours == {"a.py": "1", "b.py": "2", "c.py": "4"}
    other = manifest(code=code({"a.py": "9", "b.py": "2"}))
    assert other.without_late(before).code.yours == {"a.py": "9", "b.py": "2"}
    gone = manifest(code=code({"b.py": "2"}))
    assert gone.without_late(before).code.yours == {"b.py": "2"}
    for one, two in ((manifest(), before), (now, manifest())):
        assert one.without_late(two) is one


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 3}, "seed: 0, now 3"),
        ({"quantization": 2}, "quantization: null, now 2"),
        ({"budget": 9}, "budget: null, now 9"),
        ({"eot_samples": 4}, "eot_samples: null, now 4"),
        ({"block": 3}, "images per part: 2, now 3"),
        ({"device": "cuda:1"}, "device: cpu, now cuda"),
        (
            {"threat": ThreatInfo(norm="l2", radius=0.1)},
            "norm and radius: {norm: linf, radius: 0.1}, now {norm: l2, radius: 0.1}",
        ),
        ({"attacks": [attack()]}, "attacks: pgd; pgd, now pgd"),
    ],
)
def test_what_makes_another_run_is_named(changes: dict[str, object], said: str):
    assert manifest().differences(manifest(**changes)) == [said]


def test_attacks_that_are_written_alike_are_told_apart():
    one, other = (manifest(attacks=[attack(radius=radius)]) for radius in (0.1, 0.2))
    (line,) = one.differences(other)
    assert re.fullmatch(r"attacks: (pgd {.*}) at 0.1, now \1 at 0.2", line)


def test_networks_and_images_are_described():
    one = manifest()
    network = NetworkInfo(spec="other.pt2", digest="c" * 64, parameters=5, input_shape=(1, 2, 2), bounds=(0.0, 1.0))
    data = DataInfo(spec="others", digest="d" * 64, images=4, classes=["0", "1"], fit={"crop": "center"})
    (line,) = one.differences(manifest(network=network))
    assert line.startswith("network: net.pt2")
    assert "aaaa" in line
    assert ", now other.pt2" in line
    (line,) = one.differences(manifest(data=data))
    assert line.startswith("data: ")
    assert "digits" in line.partition(", now ")[0]
    assert "others" in line.partition(", now ")[2]
    coded, other = manifest(code=code({"a.py": "1"})), manifest(code=code({"a.py": "2"}, "c" * 64))
    lines = coded.differences(other)
    assert f"brittle's code: {'b' * 12}, now {'c' * 12}" in lines
    assert any(line.startswith("your code: ") and "a.py" in line for line in lines)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: 0} for name in ("batch", "block", "budget", "eot_samples")),
        {"quantization": 1},
        {"attacks": [attack(), attack()]},
        {"identity": "0" * 64},
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object]):
    with pytest.raises(ValidationError):
        manifest(**changes)


@pytest.mark.parametrize(("images", "blocks"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)])
def test_how_many_parts_a_run_has(images: int, blocks: int):
    data = DataInfo(spec="digits", digest="b" * 64, images=images, classes=[], fit={})
    assert manifest(data=data).blocks == blocks


def test_a_radius_counts_in_the_norm_in_which_an_attack_ran_at_it():
    assert attack().radius_in("inf") == 0.1
    assert attack().radius_in("2") is None
    assert attack(kind="minimum").radius_in("inf") is None
    endless = attack(settings={"step": float("inf"), "parts": (float("nan"), {"deep": float("-inf")})})
    assert endless.model_dump(mode="json")["settings"] == {"step": "inf", "parts": ["nan", {"deep": "-inf"}]}
