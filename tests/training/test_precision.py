"""Mixed precision is chosen where it is fast, and said to be slow where it is not."""

import pytest
import torch

from brittle.evaluation.train import train
from brittle.specs import DataSpec
from brittle.training.precision import fastest_precision, has_bfloat16, remarks_on_precision

CAPABLE = {"avx2": True, "avx512_bf16": True}


@pytest.fixture(params=[CAPABLE, {"avx2": True, "amx_bf16": False}, {}])
def capabilities(request, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: request.param, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return request.param


def test_a_fast_recipe_takes_what_the_processor_has(capabilities):
    assert fastest_precision() == ("mixed" if capabilities is CAPABLE else "full")
    assert has_bfloat16() == (capabilities is CAPABLE)
    assert has_bfloat16("cuda:1")
    assert bool(remarks_on_precision("mixed", "cpu")) == (capabilities is not CAPABLE)
    assert not remarks_on_precision("full", "cpu")
    assert not remarks_on_precision("mixed", "cuda")


def test_a_torch_that_cannot_say_has_none(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bfloat16()


@pytest.mark.parametrize(("precision", "said"), [("mixed", 1), ("full", 0)])
def test_a_training_says_that_it_is_slow(tmp_path, monkeypatch, precision, said):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    data = DataSpec("digits:train", max_images=64)
    made = train("digits-lenet", data, tmp_path / "out", settings=f"precision={precision}", epochs=1)
    assert sum("does not compute in bfloat16" in sentence for sentence in made.said) == said
