"""Every command with every option that commands fraction: taken, or refused because it would do nothing."""

from pathlib import Path

import pytest
from typer.main import get_command

from brittle import InputError
from brittle.cli import app
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.evaluation.corrupt import corrupt
from brittle.evaluation.depth import audit_depth
from brittle.evaluation.segmentation import audit_segmentation
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.specs import SEARCHING, DataSpec, Effort, ModelSpec, Question, names_of

VALUES = {
    "weights": Path("w.safetensors"),
    "dtype": "float64",
    "binary": True,
    "probabilities": True,
    "labels": 10,
    "output": "logits",
    "mean": "mnist",
    "std": "mnist",
    "defence": "bit-depth",
    "defence_data": "digits:train",
    "naive": True,
    "channel": "blur",
    "max_images": 5,
    "size": "28x32",
    "interpolation": "nearest",
    "resize": 32,
    "crop": 28,
    "skip_bad": True,
    "class_order": "text",
    "norm": "l2",
    "target": 0,
    "quantization": 256,
    "confidence": 0.5,
    "eps": 0.1,
    "budget": 50,
    "eot_samples": 2,
    "batch": 3,
    "seed": 1,
    "device": "cpu",
    "precision": "bf16",
    "compile": True,
    "channels_last": True,
}
COMMANDS = {
    "audit": (audit, {"target"}),
    "attack": (attack, set[str]()),
    "universal": (
        universal,
        {
            "labels",
            "class_order",
            "channel",
            "target",
            "quantization",
            "confidence",
            "budget",
            "eot_samples",
            *SEARCHING,
        },
    ),
    "corrupt": (
        corrupt,
        {"channel", "target", "norm", "eps", "quantization", "confidence", "budget", "eot_samples", *SEARCHING},
    ),
    "train": (
        train,
        {"weights", "dtype", "binary", "probabilities", "labels", "defence_data", "naive", "channel"}
        | {"class_order", "size", "resize", "crop", "interpolation", "skip_bad"}
        | {"target", "quantization", "confidence", "budget", "eot_samples", "batch", *SEARCHING},
    ),
}
"""What each of them refuses."""
DENSE = {"binary", "labels", "defence", "defence_data", "naive", "channel", "class_order"} | {
    *("target", "quantization", "eot_samples", *SEARCHING)
}
FUNCTIONS = {
    **COMMANDS,
    "audit --task segmentation": (audit_segmentation, DENSE),
    "audit --task depth": (audit_depth, DENSE),
}


def test_no_option_is_left_out():
    named = {name for group in (ModelSpec, DataSpec, Question, Effort) for name in names_of(group)}
    assert {*VALUES} == named - {"model", "data"}


@pytest.mark.parametrize("command", FUNCTIONS)
def test_an_option_is_taken_or_refused_before_anything_is_done(command: str, tmp_path: Path):
    """What is taken gets as far as the keyword that nobody knows."""
    function, refused = FUNCTIONS[command]
    for name, value in VALUES.items():
        kind, message = (InputError, "does nothing here") if name in refused else (TypeError, "'unknown'")
        with pytest.raises(kind, match=message):
            function("digits-lenet", "digits", tmp_path / "out", unknown=1, **{name: value})
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_offers_what_the_function_takes(command: str):
    words = {word for one in get_command(app).commands[command].params for word in one.opts}
    offered = {name for name in VALUES if f"--{name.replace('_', '-')}" in words}
    assert offered == {*VALUES} - COMMANDS[command][1]
