"""Every command that opens a network, on every foreign network: the reference's figure, or a refusal by name."""

import re
from functools import cache
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from expected import FOREIGN, Foreign

from brittle import BrittleError
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.universal import universal
from brittle.report import write_report
from brittle.runs.summary import summarise

FILE = networks.__file__
QUICK = (
    "float16", "half_body_behind_a_head", "float8", "multiplies_in_place", "writes_through_numpy", "frozen",
    "exported_inside", "plain_function", "tiny_logits", "slope_that_is_none", "softmax_rounded", "one_sigmoid-binary",
    "class_numbers-labels",
)  # fmt: skip
"""Networks that every command opens in the main job; the others by hand. Compiled ones are searched by the other file,
and audits of those that draw are in tests/evaluation/test_randomised.py."""
MARKED = [
    pytest.param(foreign, id=str(foreign), marks=() if str(foreign) in QUICK else pytest.mark.slow)
    for foreign in FOREIGN
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    with torch.no_grad():
        labels = networks.reference()(networks.images()).argmax(1)
    np.savez(path, images=networks.images().numpy(), labels=labels.numpy())
    return str(path)


def spec(foreign: Foreign) -> str:
    return f"{FILE}:{foreign.name}"


def audited(foreign: Foreign, data: str, folder: Path) -> float:
    specs = ("noise:draws=4", "square:queries=40") if foreign.silent or foreign.only else ("pgd:steps=8", "deepfool")
    with_labels = ("noise:draws=4", "hop-skip-jump:steps=2,draws=12") if foreign.only else specs
    run = audit(spec(foreign), data, folder, attacks=with_labels, eps=0.1, **foreign.options)
    assert write_report(folder).exists()
    return float(summarise(run).robust.value) * 20


def saved(foreign: Foreign, data: str, folder: Path) -> float:
    name = "square:queries=40" if foreign.silent else "deepfool"
    if foreign.only:
        name = "noise:draws=4"
    made = attack(spec(foreign), data, folder, attack=name, norm="linf", eps=0.2, **foreign.options)
    return float(sum(one.success for one in made))


def fooled(foreign: Foreign, data: str, folder: Path) -> float:
    options = {name: value for name, value in foreign.options.items() if name != "labels"}
    made = universal(spec(foreign), data, folder / "v", attack="ascent:passes=2", eps=0.2, **options)
    return float(made.training.value) * 10


COMMANDS = {"audit": audited, "attack": saved, "universal": fooled}
NEEDS_GRADIENTS = {"universal"}


@cache
def right(command: str, foreign: Foreign, data: str, folder: Path) -> float:
    plain = Foreign("reference", silent=foreign.silent, only=foreign.only)
    return COMMANDS[command](plain, data, folder / f"right-{command}-{foreign.silent}-{bool(foreign.only)}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("right")


@pytest.mark.filterwarnings("ignore:quantized")  # torch's own word on a layer that passes no gradient on
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("foreign", MARKED)
def test_gives_the_references_figure_or_says_why_not(
    foreign: Foreign, command: str, data: str, folder: Path, tmp_path: Path
):
    if command == "attack" and foreign.name == "quantised":
        pytest.skip("its ranges are those of the batch, and a file is judged alone")
    silent = command in NEEDS_GRADIENTS and (foreign.silent or foreign.only)
    if foreign.refused is not None or silent:
        with pytest.raises(BrittleError) as caught:
            COMMANDS[command](foreign, data, tmp_path)
        wanted = "gradient|labels|class numbers" if silent and foreign.refused is None else foreign.refused
        assert re.search(str(wanted), str(caught.value)), caught.value
        return
    reference = right(command, Foreign("reference", silent=foreign.silent, only=foreign.only), data, folder)
    assert abs(COMMANDS[command](foreign, data, tmp_path) - reference) <= max(foreign.images, 1)
