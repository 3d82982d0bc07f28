"""The groups of options. Nothing here needs torch, so that a command line that runs nothing waits for nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from brittle.arguments import Count, Seed, Within, check_fields
from brittle.specs.option import Option

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torch.utils.data import DataLoader, Dataset

    from brittle.classifiers.classifier import Classifier
    from brittle.core.goal import Goal
    from brittle.data import Source
    from brittle.defences import Defence
    from brittle.models import Network
    from brittle.physical import Channel
    from brittle.threats import Threat

    ModelLike: TypeAlias = "str | Path | Network | Classifier | nn.Module | Callable[[Tensor], Tensor]"
    Values: TypeAlias = Tensor | NDArray[np.generic]
    DataLike: TypeAlias = "str | Path | Source | tuple[Values, Values] | Dataset[Any] | DataLoader[Any]"
    ThreatLike: TypeAlias = "str | Threat"
    GoalLike: TypeAlias = "int | Goal"
    DefenceLike: TypeAlias = "str | Defence"
    ChannelLike: TypeAlias = "str | Channel"
else:
    ModelLike = DataLike = ThreatLike = GoalLike = DefenceLike = ChannelLike = Any


@dataclass(frozen=True)
class ModelSpec:
    """A network, and how it is to be read.

    Attributes:
        spec: what `open_network` understands; or a network, a module, a callable or a classifier.
        weights: for architectures and factories: a safetensors file, or the folder of a training.
        dtype: the network's number format, as in `open_network`.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        labels: the outputs are class numbers; this is the number of classes.
        defence: what stands around the network, as text such as "jpeg:quality=75+randomise" or as a value.
        defence_data: clean training images for a defence that needs some, in whichever form `data` may have.
        naive: attack a defended network through the gradients that it gives by itself, as one who does not know of the
            defence would; otherwise through the defence's adaptive counterpart.
        channel: what happens to images before network and defence see them, as text such as "photograph" or
            "blur:sigma=1+jpeg", or as a value. Attacks go through it: at a random one, by the mean over `eot_samples`
            draws (expectation over transformation; Athalye, Engstrom, Ilyas & Kwok 2018, arXiv:1707.07397).

    Example:
        >>> ModelSpec("digits-lenet", dtype="float64").dtype
        'float64'
    """

    spec: Annotated[
        ModelLike,
        Option(
            "A .pt2 or .onnx file, FILE.py:FACTORY, torchvision:NAME, timm:NAME, hf:NAME, the URL of a service, or a "
            "built-in name such as digits-lenet.",
            name="model",
            metavar="MODEL",
            kind=str,
            argument=True,
        ),
    ]
    weights: Annotated[
        Path | None, Option("For architectures and factories: a .safetensors file, or the folder of `train`.")
    ] = None
    dtype: Annotated[
        str | None,
        Option(
            "float16, bfloat16, float32 or float64: evaluate the network in this number format. By default as it "
            "comes, and float32 for hf:NAME.",
            metavar="TYPE",
        ),
    ] = None
    binary: Annotated[bool, Option("The network has one output, whose sign is the class.")] = False
    probabilities: Annotated[bool, Option("The outputs are probabilities, not logits.")] = False
    labels: Annotated[
        int | None,
        Option(
            "The outputs are class numbers and nothing else; N is the number of classes.",
            kind=Annotated[int | None, Within(2)],
        ),
    ] = None
    defence: Annotated[
        DefenceLike | None,
        Option(
            "A defence around the network: NAME:FIELD=VALUE,..., several with a plus between. See `brittle list "
            "defences`.",
            metavar="SPEC",
            kind=str | None,
        ),
    ] = None
    defence_data: Annotated[
        DataLike | None,
        Option("Clean training images for a defence that needs some.", metavar="DATA", kind=str | None),
    ] = None
    naive: Annotated[
        bool, Option("Attack a defended network as if the defence were not known, through the gradients it gives.")
    ] = False
    channel: Annotated[
        ChannelLike | None,
        Option(
            "What happens to images before the network sees them, such as photograph: NAME:FIELD=VALUE,..., several "
            "with a plus between; attacks go through it. See `brittle list channels`.",
            metavar="SPEC",
            kind=str | None,
        ),
    ] = None

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class DataSpec:
    """Images, and how they are brought to the network's input.

    Attributes:
        spec: what `open_source` understands; or a source, images and labels as tensors or arrays, a data set or a
            `DataLoader` of torch. None where a universal perturbation needs no images.
        max_images: use only the first N images.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read, and list them.
        class_order: "auto" matches classes by the names that network and images both know; "numeric" and "text" say how
            class folders are sorted ("text" as torchvision's ImageFolder), and take labels as they are.

    Example:
        >>> DataSpec("digits", max_images=20).max_images
        20
    """

    spec: Annotated[
        DataLike | None,
        Option(
            "Labelled images: a folder of class folders, a .parquet or .npz file, digits, torchvision:NAME, hf:NAME.",
            name="data",
            metavar="DATA",
            kind=str,
        ),
    ]
    max_images: Annotated[Count | None, Option("Use only the first N images.")] = None
    resize: Annotated[Count | None, Option("Length that the images' short side gets before the crop.")] = None
    crop: Annotated[Count | None, Option("Side of the centre crop.")] = None
    skip_bad: Annotated[bool, Option("Leave out images that cannot be read, and list them.")] = False
    class_order: Annotated[
        str,
        Option(
            "auto matches classes by name where network and images know names; numeric or text sort class folders as "
            "numbers or as torchvision's ImageFolder does, and take the labels as they are."
        ),
    ] = "auto"

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Question:
    """What is asked of the network: which changes are allowed, and what they are to reach.

    Attributes:
        threat: linf, l2, l1, l0, pixels, flow, colour, patch or frame, also with a radius, such as "linf:8/255"; or a
            threat such as `Lp("inf", 8 / 255)`. By default linf; of a single attack l2, or the first other one that it
            knows.
        goal: the class to reach; any other than the label by default.
        quantization: number of levels that adversarial images lie on, 256 for those of an 8-bit file; any values by
            default.
        radius: in the units of the images, for flow in pixels; by default the one most often reported for the threat.
        confidence: by how many logits a success must be won while it is searched for, see `run`; by default what the
            defence is attacked with, and 0 without one.

    Example:
        >>> Question("linf:8/255", quantization=256).threat
        'linf:8/255'
    """

    threat: Annotated[
        ThreatLike | None,
        Option(
            "How a change is measured: linf, l2, l1, l0, pixels, flow (deformations), colour, patch, frame; or "
            "FILE.py:CLASS, your own. By default linf; `attack` takes l2, or the first other that the attack knows.",
            name="norm",
            kind=str | None,
        ),
    ] = None
    goal: Annotated[
        GoalLike | None,
        Option("Class to reach, by number; any other by default.", name="target", kind=Annotated[int | None, Within()]),
    ] = None
    quantization: Annotated[
        int | None,
        Option(
            "Levels that adversarial values lie on: 256 for those of an 8-bit file, which `attack` takes by default.",
            name="quantization",
            kind=Annotated[int | None, Within(2)],
        ),
    ] = None
    radius: Annotated[
        float | None,
        Option(
            "Largest change allowed, such as 8/255 or 0.5, with pixels from 0 to 1; for flow in pixels. By default "
            "the norm's usual one.",
            name="eps",
            kind=str | None,
        ),
    ] = None
    confidence: Annotated[
        Annotated[float, Within(0)] | None,
        Option("By how many logits a success must be won in the search, as against detectors; 0 by default."),
    ] = None

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Effort:
    """How much is spent on it, and where.

    Attributes:
        budget: most queries for each image and attack: the clean pass, the attack, the verifying pass and the look at
            what was saved with 8 bits. More are not asked; see `run`.
        eot_samples: how often a randomised network is asked about every point; it is judged by its mean logits, and
            gradients are averaged. By default 20 where the network answers differently when it is asked again, and no
            budget is given; 1 otherwise.
        batch: images in one call of the network; by default by the size of an image.
        seed: of all random draws; 0 by default.
        device: where to run, such as "cpu" or "cuda:0"; by default where a module lies that is given, and the CPU for
            networks that are opened.

    Example:
        >>> Effort(budget=1000).seed is None
        True
    """

    budget: Annotated[
        Count | None,
        Option("Most queries for each image and attack, saving included; further queries are skipped."),
    ] = None
    eot_samples: Annotated[
        Count | None,
        Option("Forward passes averaged per query for randomised networks; 20 by default if detected."),
    ] = None
    batch: Annotated[Count | None, Option("Images in one call of the network.")] = None
    seed: Annotated[Seed | None, Option("Of all random draws, 0 by default; the same seed gives the same rows.")] = None
    device: Annotated[
        str | None, Option("cpu, cuda, cuda:1, ...; a GPU by default where there is one.", kind=str | None)
    ] = None

    def __post_init__(self):
        object.__setattr__(self, "device", None if self.device is None else str(self.device))  # torch.device too
        check_fields(self)
