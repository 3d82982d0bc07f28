"""What is asked of a network, and what is spent on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from brittle.arguments import Count, Seed, Within, check_fields
from brittle.specs.option import Option

if TYPE_CHECKING:
    from brittle.core.goal import Goal
    from brittle.threats import Threat

    ThreatLike: TypeAlias = "str | Threat"
    GoalLike: TypeAlias = "int | Goal"
else:
    ThreatLike = GoalLike = Any


SEARCHING = ("precision", "compile", "channels_last")
"""What of the effort is for attacks alone that differentiate the network."""


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
        precision: "bf16": attacks that differentiate the network search in bfloat16, and what they find is verified by
            the network as it is; see `run`.
        compile: likewise they search through `torch.compile`.
        channels_last: likewise a GPU is given images with the channels of a pixel side by side.

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
    precision: Annotated[
        Literal["float32", "bf16"],
        Option(
            "In what attacks that differentiate the network search: float32 (the default), as the network calculates, "
            "or bf16; what they find is verified by the network as it is.",
            metavar="NAME",
            kind=str,
        ),
    ] = "float32"
    compile: Annotated[
        bool, Option("Search through torch.compile, which takes a minute or more to begin; verified likewise.")
    ] = False
    channels_last: Annotated[
        bool, Option("Search with the channels of a pixel side by side in a GPU's memory; verified likewise.")
    ] = False

    def __post_init__(self):
        object.__setattr__(self, "device", None if self.device is None else str(self.device))  # torch.device too
        check_fields(self)
