"""The benchmark of segmentation: what is counted, judged and written."""

import json
import math

import pytest
import torch
from torch import nn

from benchmarks.counting import Counted
from benchmarks.segmentation import CONTENDERS, brittle, line, once, sized, table

NETWORK = nn.Conv2d(3, 4, 3, padding=1)


def cell(who="brittle", row=0, size=0.5 / 255, success=True, norm="linf", **other):
    known = {"network": "net", "norm": norm, "budget": 50, "who": who, "row": row, "size": size, "success": success}
    return known | {"share": 0.995, "forward": 51, "backward": 48, "seconds": 3.0} | other


def test_ours_keeps_to_the_budget_and_is_judged_afresh():
    counted, image = Counted(NETWORK.requires_grad_(requires_grad=False)), torch.rand(1, 3, 12, 12)
    brittle(counted, image, None, "linf", 2)
    found = once(counted, image, brittle, "linf", 12)
    assert found["forward"] + found["backward"] <= 2 * 12
    assert (found["forward"], found["backward"]) == (13, 10)
    assert found["success"] == (found["share"] >= 0.99)
    assert 0 < found["size"] < 1


def test_an_image_outside_the_box_is_not_broken():
    found = once(Counted(NETWORK), torch.rand(1, 3, 8, 8), lambda _, image, *__: image - 3, "linf", 5)
    assert not found["success"]


def test_what_was_not_broken_counts_as_infinitely_large():
    assert sized(cell(success=False)) == math.inf
    assert sized(cell()) == pytest.approx(0.5)
    assert sized(cell(norm="l2", size=0.5)) == 0.5


def test_a_line_compares_image_by_image():
    theirs = [cell("alma-prox", row, size * 2 / 255) for row, size in enumerate((1.0, 2.0, 4.0))]
    words = line("alma-prox", theirs, {0: 1.0, 1: 1.0, 2: 1.0}).split(" | ")
    assert words[1:5] == ["3", "100%", "4", "4.67"]
    assert words[-2] == "4.000"
    assert line("pdpgd", [], {}) is None


def test_every_question_has_its_table(tmp_path):
    for number, one in enumerate((cell(), cell("alma-prox", size=1 / 255), cell(norm="l2", size=0.3))):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    text = table(tmp_path)
    assert "## net, linf, 50 passes each way" in text
    assert "## net, l2, 50 passes each way" in text
    assert text.count("| brittle") == 2
    assert "| adv-lib ALMA-prox, defaults | 1 | 100% | 1 | 1 |" in text


@pytest.mark.parametrize("who", sorted(CONTENDERS))
def test_contenders_run_where_their_package_is(who):
    if who != "brittle":
        pytest.importorskip("adv_lib")
    _, attack, norms = CONTENDERS[who]
    for norm in norms:
        counted, image = Counted(NETWORK), torch.rand(1, 3, 12, 12)
        brittle(counted, image, None, "linf", 2)
        found = once(counted, image, attack, norm, 4)
        assert 0 < found["forward"] + found["backward"] <= 2 * 4
