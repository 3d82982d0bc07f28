"""The network and the images. Nothing here needs torch, so that a command line that runs nothing waits for nothing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from brittle.arguments import Count, Within, check_fields, seen, several
from brittle.errors import InputError
from brittle.specs.option import Option

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torch.utils.data import DataLoader, Dataset

    from brittle.classifiers.classifier import Classifier
    from brittle.data import Source
    from brittle.defences import Defence
    from brittle.models import Network
    from brittle.physical import Channel

    ModelLike: TypeAlias = "str | Path | Network | Classifier | nn.Module | Callable[[Tensor], Tensor]"
    Values: TypeAlias = Tensor | NDArray[np.generic]
    DataLike: TypeAlias = (
        "str | Path | Sequence[str | Path] | Source | tuple[Values, Values] | Dataset[Any] | DataLoader[Any]"
    )
    DefenceLike: TypeAlias = "str | Defence"
    ChannelLike: TypeAlias = "str | Channel"
else:
    ModelLike = DataLike = DefenceLike = ChannelLike = Any

AUTO = "auto"
"""The order of classes by default: matched by name where network and images know names."""
SIZE = re.compile(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?")
"""How a height and a width are written."""


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
        output: of a network that returns several outputs, the one that holds the logits: the name of a key or an
            attribute, or a position counted from 0.
        mean: of a network that takes normalised images, the mean of each channel in units of images from 0 to 1, as
            text or as numbers, or a name that says both mean and std; see `open_network`.
        std: likewise the standard deviations.
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
        Path | str | None,
        Option(
            "For architectures and factories: a .safetensors file, or the folder of `train`; also at an address.",
            metavar="PATH",
            kind=str | None,
        ),
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
    output: Annotated[
        str | int | None,
        Option(
            "Of a network with several outputs (a dict, a tuple, an object), the one that holds the logits, by name or "
            "by position from 0.",
            metavar="NAME|INDEX",
            kind=str | None,
        ),
    ] = None
    mean: Annotated[
        str | float | Sequence[float] | None,
        Option(
            "Of a network that takes normalised images: mean of each channel, with images from 0 to 1, such as "
            "0.485,0.456,0.406; or imagenet, cifar10, mnist or half, which say --std too.",
            metavar="NUMBER,...",
            kind=str | None,
        ),
    ] = None
    std: Annotated[
        str | float | Sequence[float] | None,
        Option("Standard deviation of each channel, beside --mean.", metavar="NUMBER,...", kind=str | None),
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
        for name in ("mean", "std"):
            object.__setattr__(self, name, _listed(getattr(self, name)))
        check_fields(self)


def _listed(numbers: object) -> object:
    """Numbers as they are written on the command line, which can be kept beside what was made; all else as it is."""
    if isinstance(numbers, str | None):
        return numbers
    try:
        many: list[object] = [*numbers] if isinstance(numbers, Iterable) else [numbers]
        return ",".join(repr(float(one)) for one in many)  # pyright: ignore[reportArgumentType]  # a user's
    except (TypeError, ValueError):
        return numbers


@dataclass(frozen=True)
class DataSpec:
    """Images, and how they are brought to the network's input.

    Attributes:
        spec: what `open_source` understands; or a list of image files, a source, images and labels as tensors or
            arrays, a data set or a `DataLoader` of torch. None where a universal perturbation needs no images.
        max_images: use only the first N images.
        size: height and width that the network is given, such as (224, 320), "224x320", or 224 for both; by default
            what the network says of itself, or the crop.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop; "none" stretches the whole image to the size.
        interpolation: "bilinear" (the default), "bicubic", "lanczos" or "nearest".
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
    size: Annotated[
        str | int | tuple[int, int] | None,
        Option(
            "Height and width that the network is given, such as 224x320, or one number for both; by default what it "
            "says of itself.",
            metavar="HEIGHTxWIDTH",
            kind=str | None,
        ),
    ] = None
    resize: Annotated[Count | None, Option("Length that the images' short side gets before the crop.")] = None
    crop: Annotated[
        Count | Literal["none"] | None,
        Option(
            "Side of the centre crop; none stretches the whole image to the network's size.",
            metavar="NUMBER|none",
            kind=str | None,
        ),
    ] = None
    interpolation: Annotated[
        Literal["bilinear", "bicubic", "lanczos", "nearest"] | None,
        Option(
            "How images are resized: bilinear (the default), bicubic, lanczos or nearest.",
            metavar="NAME",
            kind=str | None,
        ),
    ] = None
    skip_bad: Annotated[bool, Option("Leave out images that cannot be read, and list them.")] = False
    class_order: Annotated[
        str,
        Option(
            "auto matches classes by name where network and images know names; numeric or text sort class folders as "
            "numbers or as torchvision's ImageFolder does, and take the labels as they are."
        ),
    ] = AUTO

    def __post_init__(self):
        if isinstance(self.crop, str) and self.crop.isdecimal():
            object.__setattr__(self, "crop", int(self.crop))
        object.__setattr__(self, "size", _size(self.size))
        check_fields(self)

    @property
    def files(self) -> list[str]:
        """The image files, where these are named one by one in a list or tuple.

        Example:
            >>> DataSpec(["cat.jpg", Path("dog.png")]).files, DataSpec("digits").files
            (['cat.jpg', 'dog.png'], [])
        """
        given = several(self.spec)
        named = isinstance(self.spec, list | tuple) and all(isinstance(one, str | Path) for one in given)
        return [str(one) for one in given] if named else []

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width of what the network is given, where the user says it.

        Example:
            >>> DataSpec("digits", size="224x320").sides, DataSpec("digits", size=96).size
            ((224, 320), '96x96')
        """
        if self.size is None:
            return None
        height, width = map(int, str(self.size).split("x"))
        return height, width


def _size(given: object) -> str | None:
    """A size as it is written on the command line, which can be kept beside what was made.

    Raises:
        InputError: it is none.
    """
    if given is None:
        return None
    plain = "x".join(map(str, given)) if isinstance(given, tuple | list) else str(given)
    found = SIZE.fullmatch(plain)
    if found is None:
        raise InputError(
            f"size is {seen(given)}; expected HEIGHTxWIDTH such as 224x320, or one number of at least 1 for both"
        )
    return f"{found[1]}x{found[2] or found[1]}"
