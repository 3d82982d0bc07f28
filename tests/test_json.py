"""What commands print with `--json`: the keys that the page names, within the envelope that is the same for all."""

import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brittle import Lp, Perturbation, UniversalAscent
from brittle.cli import app
from brittle.runs.json_numbers import json_numbers

PAGE = (Path(__file__).parents[1] / "docs" / "json.md").read_text()
SCHEMA = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.S)[1])
ENVELOPE = {"schema", "kind", "command", "provenance"}
DATA = "--data digits --max-images 12 --device cpu"
PGD = "--attack pgd:steps=2 --eps 0.1"
LINES = {
    "audit": f"audit digits-lenet {DATA} {PGD}",
    "shard": f"audit digits-lenet {DATA} {PGD} --attack fgsm --shard 1/2",
    "defence": f"audit digits-lenet {DATA} {PGD} --defence bit-depth:bits=3",
    "segmentation": "audit segmenter.py:build --data grey.npz --task segmentation --attack pixel-descent:steps=5",
    "depth": "audit segmenter.py:build_depths --data grey.npz --task depth --attack pixel-descent:steps=5",
    "attack": "attack digits-lenet digits --max-images 2 --attack pgd:steps=2 --norm linf --eps 0.2 --out a",
    "universal": f"universal digits-lenet {DATA} --attack ascent:passes=1",
    "apply": f"apply v.safetensors --model digits-lenet {DATA}",
    "corruptions": f"corrupt digits-lenet {DATA} --kind contrast --severity 1",
    "substitute": f"substitute digits-lenet {DATA} --test digits:train --out t --test-images 8 --rounds 1 "
    "--network linear.py:build --set epochs=1 --attack fgsm --each-round 0 --eps 0.1",
}
"""A cheap line for each kind."""
SEGMENTER = """
import torch


class Segmenter(torch.nn.Module):
    def forward(self, images):
        return torch.cat([0.5 - images, images - 0.5], 1)


class Depths(torch.nn.Module):
    def forward(self, images):
        return images.exp()


def build():
    return Segmenter()


def build_depths():
    return Depths()
"""
LINEAR = """
import torch


def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
"""


def keys_of(kind: str) -> set[str]:
    """The keys in the table below a heading of the page."""
    section = PAGE.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", section, re.M)
    return {name for cell in cells for name in re.findall("`(.+?)`", cell)}


def printed(line: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*line.split(), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(result.stdout, parse_constant=refuse)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with what the lines read."""
    monkeypatch.chdir(tmp_path)
    Path("segmenter.py").write_text(SEGMENTER)
    Path("linear.py").write_text(LINEAR)
    np.savez("grey.npz", images=np.random.default_rng(0).random((3, 6, 6, 1), dtype=np.float32))
    Perturbation(torch.full((1, 28, 28), 0.1), Lp("inf", 0.1)).save("v.safetensors")


@pytest.mark.usefixtures("few_checks", "files")
@pytest.mark.parametrize("kind", LINES)
def test_a_command_prints_the_keys_of_its_page_in_the_envelope(kind: str):
    found = printed(LINES[kind])
    jsonschema.validate(found, SCHEMA)
    assert found["kind"] == kind
    assert set(found) - ENVELOPE == keys_of(kind)
    assert found["provenance"]["seed"] == 0
    assert found["provenance"]["networks"][0]["spec"]
    assert found["provenance"]["data"]
    assert len(found["provenance"]["networks"][0]["digest"]) == 64


@pytest.mark.usefixtures("files")
def test_photographs_print_theirs():
    made = printed(LINES["attack"])
    found = printed("photograph a --channel blur:sigma=1")
    jsonschema.validate(found, SCHEMA)
    assert set(found) - ENVELOPE == keys_of("photograph")
    assert found["provenance"]["networks"][0]["digest"] == made["provenance"]["networks"][0]["digest"]
    assert found["provenance"]["data"][0]["images"] == 2


@pytest.mark.usefixtures("few_checks", "files")
def test_comparisons_and_leaderboards_print_theirs():
    for seed in (0, 1):
        printed(f"{LINES['audit']} --seed {seed} --out run{seed}")
    for kind in ("compare", "leaderboard"):
        found = printed(f"{kind} run0 run1")
        jsonschema.validate(found, SCHEMA)
        assert set(found) - ENVELOPE == keys_of(kind)
        assert [one["spec"] for one in found["provenance"]["networks"]] == ["digits-lenet"] * 2


def test_a_list_prints_its_own_without_networks_and_data():
    found = printed("list universal")
    jsonschema.validate(found, SCHEMA)
    assert set(found) - ENVELOPE == keys_of("list")
    assert (found["provenance"]["networks"], found["provenance"]["data"]) == ([], [])
    assert found["provenance"]["versions"]["brittle"]
    rows = {row["name"]: row for row in found["listed"]}
    assert set(rows["ascent"]) == {"kind", "name", "meaning", "options", "origin", "group"}
    assert rows["ascent"]["options"]["passes"] == UniversalAscent().passes
    printed("list")  # every default can be told


def test_every_kind_has_its_heading():
    kinds = SCHEMA["properties"]["kind"]["enum"]
    assert [kind for kind in kinds if not keys_of(kind)] == []


def test_what_lacks_a_part_of_the_envelope_is_noticed():
    with pytest.raises(jsonschema.ValidationError, match="'provenance' is a required property"):
        jsonschema.validate({"schema": 1, "kind": "audit", "command": []}, SCHEMA)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, None),
        (np.float64(math.inf), "inf"),
        ({"low": -math.inf, "high": math.inf, "n": 2}, {"low": None, "high": None, "n": 2}),
        ({"low": 0.5, "high": math.inf, "n": 2}, {"low": 0.5, "high": "inf", "n": 2}),
        ({"low": -math.inf, "high": math.inf}, {"low": "-inf", "high": "inf"}),
        ([(1, None, "inf")], [[1, None, "inf"]]),
    ],
)
def test_infinite_and_absent_are_two_things(value: Any, said: Any):
    assert json_numbers(value) == said
    json.dumps(json_numbers(value), allow_nan=False)


def test_settings_keep_what_is_no_number_as_text():
    assert json_numbers({"alpha": math.nan}, undefined="nan") == {"alpha": "nan"}
