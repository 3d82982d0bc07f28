"""The options that several commands share, with their help."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from brittle.limits import parse_limits, use_limits


def _within_limits(context: typer.Context, text: str | None) -> str | None:
    """Let other limits hold until the command ends."""
    if text is not None:
        context.with_resource(use_limits(parse_limits(text)))
    return text


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A .pt2 or .onnx file, FILE.py:FACTORY, torchvision:NAME, timm:NAME, hf:NAME, or a built-in name such as "
        "digits-lenet.",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DATA",
        help="Labelled images: a folder of class folders, a .parquet or .npz file, digits, torchvision:NAME, hf:NAME.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="A .safetensors file for architectures and factories.")]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE",
        help="float16, bfloat16, float32 or float64: evaluate the network in this number format. By default as it "
        "comes, and float32 for hf:NAME.",
    ),
]
Norm = Annotated[
    str,
    typer.Option(
        help="How a change is measured: linf, l2, l1, l0, pixels, flow for deformations, or colour for another gain "
        "and offset of each channel."
    ),
]
Eps = Annotated[
    str | None,
    typer.Option(
        help="Largest change allowed, such as 8/255 or 0.5, with pixels from 0 to 1; for flow in pixels. By "
        "default the norm's usual one."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use the first so many images.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; a GPU by default where there is one.")]
Seed = Annotated[int, typer.Option(help="Of all random draws; the same seed gives the same rows.")]
Resize = Annotated[int | None, typer.Option(help="Length that the images' short side gets before the crop.")]
Crop = Annotated[int | None, typer.Option(help="Side of the centre crop.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and list them.")]
ClassOrder = Annotated[
    str,
    typer.Option(
        help="auto matches classes by name where network and images know names; numeric or text sort class folders as "
        "numbers or as torchvision's ImageFolder does, and take the labels as they are."
    ),
]
Binary = Annotated[bool, typer.Option("--binary", help="The network has one output, whose sign is the class.")]
Probabilities = Annotated[bool, typer.Option("--probabilities", help="The outputs are probabilities, not logits.")]
Labels = Annotated[
    int | None, typer.Option(min=2, help="The outputs are class numbers and nothing else, of so many classes.")
]
Budget = Annotated[
    int | None,
    typer.Option(min=1, help="Most queries for each image and attack, saving included; what is beyond is not asked."),
]
Draws = Annotated[
    int | None,
    typer.Option(min=1, help="Looks at every point of a network that draws random numbers; 20 where it is seen to."),
]
FileLimits = Annotated[
    str | None,
    typer.Option(
        "--limits",
        metavar="NAME=NUMBER,...",
        callback=_within_limits,
        help="What a file may take, such as pixels=400M,array=20G: pixels of an image; bytes of an array, a record, a "
        "cell or a text; depth of nesting.",
    ),
]
Levels = typer.Option("--lattice", min=2, help="Levels that adversarial values lie on: 256 for those of an 8-bit file.")
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace what an earlier command of the same kind left there; files of another kind always stay.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, for machines.")]


def device_of(device: str | None) -> str:
    """Return the device that the user named, or a GPU where there is one."""
    return device or ("cuda" if torch.cuda.is_available() else "cpu")
