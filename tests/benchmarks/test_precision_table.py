"""The table of how a search asks the network: every way finds what the network confirms, and is timed in turn."""

import torch
from torch import nn

from benchmarks.precision import CHANNELS_FIRST, in_order, main, modes
from brittle import Classifier
from brittle.classifiers.search_mode import SearchMode


def test_a_row_for_every_way(capsys):
    words = ["--images", "4", "--rounds", "1", "--steps", "3", "--radius", "0.2", "--smallest", "deepfool:steps=5"]
    main([*words, "--without", "compiled;bf16, compiled"])
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {"| float32", "| channels first", "| bf16"}
    assert [line[0] for line in lines if line[0] in rows] == ["| float32", "| channels first", "| bf16"] * 2
    for cells in lines:
        if cells[0] in rows:
            assert float(cells[1]) > 0
            assert (cells[5] == "") == (cells[0] != "| bf16")
    (smallest,) = {cells[3] for cells in lines[7:10]}
    assert smallest == "4/4"


def test_a_gpu_is_asked_channels_last_beside():
    assert modes("cuda")["channels last"] == {"channels_last": True}
    assert modes("cuda")["bf16"] == {"precision": "bf16", "channels_last": True}
    assert "channels last" not in modes("cpu")


def test_channels_stay_first_where_that_is_timed():
    module, seen = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten()).eval(), []
    module[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].stride(1) == 1))
    classifier, images = Classifier(module), torch.rand(3, 3, 5, 5)
    for asked in (classifier, SearchMode("bf16").asked(classifier)):
        asked.logits(images)
        assert seen[-1]
        with in_order(CHANNELS_FIRST):
            asked.logits(images)
        assert not seen[-1]
