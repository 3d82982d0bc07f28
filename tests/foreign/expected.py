"""What each foreign network must give: the reference's figure, within a margin, or a refusal that names the cause."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Foreign:
    """A network of networks.py, how it is opened, and what is right.

    Attributes:
        name: of the function that makes it.
        options: of `Classifier`, and of the commands.
        images: by how many of 20 images the number of successes may differ from the reference's.
        size: by what fraction the median size may.
        refused: what every command must say instead of a number, as a pattern.
        silent: it passes no gradients, so that attacks that need them must say so.
        scaled: its logits have another scale, which attacks may depend on whose docstring says why.
        draws: of a randomised network.
        only: attacks that are compared where the others legitimately find less (networks that show less).
        blurred: attacks whose figures its rounding or its kind changes by more: they must break something.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    images: int = 1
    size: float = 0.02
    refused: str | None = None
    silent: bool = False
    only: tuple[str, ...] | None = None
    scaled: bool = False
    draws: int = 1
    blurred: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(str(self))  # options are a dictionary

    def __str__(self) -> str:
        return "-".join((self.name, *self.options))


def half(name: str) -> Foreign:
    """Half precision: within 10 points of float32's figure."""
    return Foreign(name, images=2, size=0.1)


def bfloat(name: str) -> Foreign:
    """The same where numbers round to 1/256: sizes to a fifth; counts of values and differences finer than that not."""
    return Foreign(name, images=2, size=0.2, blurred=("jsma", "spsa"))


ENDS_ON_THE_BOUNDARY = ("boundary", "boundary-descent", "random-direction", "superdeepfool")
"""What these return of a randomised network falls on either side in fresh draws."""

FOREIGN = [
    Foreign("float64"),
    half("float16"),
    half("float16_casting"),
    bfloat("bfloat16"),
    bfloat("bfloat16_casting"),
    half("half_body"),
    half("half_body_uncast"),
    half("half_body_behind_a_head"),
    half("half_head"),
    bfloat("half_head_first"),
    bfloat("autocast"),
    Foreign("float8", refused="float8"),
    Foreign("multiplies_in_place", images=0, size=0),
    Foreign("subtracts_in_place", images=0, size=0),
    Foreign("clamps_in_place", images=0, size=0),
    Foreign("zeroes_after_use", images=0, size=0),
    Foreign("writes_through_numpy", silent=True),
    Foreign("compiled"),
    Foreign("scripted"),
    Foreign("traced"),
    Foreign("frozen"),
    Foreign("exported"),
    Foreign("exported_inside"),
    Foreign("quantised", images=2, size=0.1, silent=True, blurred=("boundary", "random-direction")),
    Foreign("without_gradients_of_weights", images=0, size=0),
    Foreign("in_training_mode", images=0, size=0),
    Foreign("channels_last"),
    Foreign("data_parallel"),
    Foreign("plain_function"),
    Foreign("numpy_service", silent=True),
    Foreign("held_in_a_list"),
    Foreign("no_grad_inside", silent=True),
    Foreign("tiny_logits", scaled=True),
    Foreign("huge_logits", scaled=True),
    Foreign("shifted_logits"),
    Foreign("slope_that_is_none", images=2, size=0.1),
    Foreign("none_in_a_corner_of_the_box", images=5, size=0.3),
    Foreign("none_everywhere", refused="NaN"),
    Foreign("twins"),
    Foreign("never_chosen", blurred=("least-likely",)),
    Foreign("noisy", images=4, size=0.1, draws=20, blurred=ENDS_ON_THE_BOUNDARY),
    Foreign("object_with_logits", images=0, size=0),
    Foreign("mapping_with_logits", images=0, size=0),
    Foreign("tuple_of_outputs", refused="tuple"),
    Foreign("softmax", refused="probabilities"),
    Foreign("softmax_rounded", refused="probabilities"),
    Foreign("softmax_in_half", refused="probabilities"),
    Foreign("softmax", {"probabilities": True}),
    Foreign("one_sigmoid", refused="one output"),
    Foreign("one_sigmoid", {"binary": True}, refused="probabilities=True|no class of the network"),
    Foreign("one_output", refused="binary=True"),
    Foreign("class_numbers", refused="labels="),
    Foreign("class_numbers", {"labels": 4}, only=("hop-skip-jump", "boundary", "rotation-translation", "noise")),
    Foreign("class_numbers_as_floats", {"labels": 4}, refused="whole numbers|class numbers"),
    Foreign("map_of_logits", refused="shape"),
    Foreign("complex_logits", refused="complex"),
    Foreign("whole_numbers", images=1, size=0.05, silent=True, scaled=True),
    Foreign("nothing_returned", refused="NoneType"),
    Foreign("detached", silent=True),
    Foreign("hooked", images=0, size=0),
    Foreign("tied", images=0, size=0),
]
