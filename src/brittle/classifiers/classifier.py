"""The classifier under attack: a module from images to logits, its bounds, and what it promises."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from brittle.arguments import fitted, seen
from brittle.base.bounds import Bounds
from brittle.classifiers.around import name_of, put_around
from brittle.classifiers.callable_module import CallableModule
from brittle.classifiers.chosen_output import ChosenOutput, refusal
from brittle.classifiers.door import Ask, answer
from brittle.classifiers.probabilities import check_probabilities, refuse_probabilities
from brittle.errors import BrittleError, ForwardFailed, ModelError
from brittle.plugins.own_code import raised
from brittle.types import Images, Logits

MOST_CLASSES = 1_000_000
"""Of a network that returns class numbers: each image takes a row of so many logits."""
_NUMBERS = "; if these are class numbers, say Classifier(module, labels=NUMBER OF CLASSES) or --labels"
_PIXELS = "; for a class for every pixel there are brittle.run_dense and --task segmentation, for a depth --task depth"
_DEPTHS = "; for a depth for every pixel there are run_dense(..., task='depth') and --task depth"
Access = Literal["white_box", "scores", "decision"]
"""What attacks are to go by."""


@dataclass(frozen=True, init=False)
class Classifier:
    """A network from images within `bounds` to logits, with its normalisation inside.

    Args:
        module: any `nn.Module`, also that of a `torch.export` program; or any callable from a tensor of images to one
            of outputs, such as a question to a remote service, which gets its images on the CPU. It may return a tensor
            (n, k) or an object with `.logits`; of several outputs, `output` says which. It gets a copy of the images,
            in the floating type that it takes.
            Images, changes, logits and sizes are float64 where all its floating parameters are (without any, its
            buffers), and float32 in every other case: half precision stays inside the network.
        bounds: lowest and highest value of an image; (0, 1) by default.
        binary: the network has a single output z per image and means class 1 where z > 0; it is read as the two logits
            (0, z).
        probabilities: the outputs are probabilities p (with `binary`, that of class 1). They are read as the logits
            log p, with p no smaller than the smallest normal number of its type (1.2e-38 in float32), so that log p is
            at least -87.3. Meant for black boxes: where probabilities round to 0 or 1, gradients vanish.
        labels: the outputs are class numbers (n,), whole numbers of this many classes, and nothing else is revealed.
            They are read as logits that are 1 for the class and 0 for the others.
        rejects: the network may refuse images: it has one output more than there are classes, the last one, and an
            image is refused where no class scores higher. Then success is to be misclassified and not refused, and a
            clean image that is refused (a false alarm) is not right. With `labels`, the number after the last class.
        output: of a network that returns a dict, a tuple or an object of several outputs, the one that holds the
            logits: the name of a key or an attribute, or a position counted from 0.
        oblivious: attacks know nothing of the refusals: they search by the classes' outputs alone, and only what they
            return is judged with the refusals.

    Raises:
        ModelError: the module is neither a module nor callable, or what is said of its outputs cannot all be true.
        InputError: bounds, switches or a number of classes of another type; BoundsError is a kind of it.

    Example:
        >>> classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
        >>> classifier.logits(torch.zeros(2, 1, 2, 2)).shape
        torch.Size([2, 3])
        >>> box = Classifier(lambda images: torch.full((len(images), 4), 0.25), probabilities=True)
        >>> box.logits(torch.zeros(1, 1, 2, 2)).exp()
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
        >>> silent = Classifier(lambda images: images.flatten(1).argmax(1), labels=4)
        >>> silent.logits(torch.tensor([[[[0.1, 0.9], [0.2, 0.3]]]]))
        tensor([[0., 1., 0., 0.]])
        >>> twofold = Classifier(lambda images: (images.mean(1), images.flatten(1)), output=1)
        >>> twofold.logits(torch.zeros(1, 1, 2, 2)).shape
        torch.Size([1, 4])
    """

    module: nn.Module
    bounds: Bounds
    binary: bool
    probabilities: bool
    labels: int | None
    rejects: bool
    oblivious: bool

    def __init__(  # noqa: PLR0913  # each says one thing of the outputs
        self,
        module: nn.Module | Callable[[Tensor], Tensor],
        bounds: Bounds | tuple[float, float] = (0.0, 1.0),
        *,
        binary: bool = False,
        probabilities: bool = False,
        labels: int | None = None,
        rejects: bool = False,
        oblivious: bool = False,
        output: str | int | None = None,
    ):
        if isinstance(module, type) or not callable(cast(object, module)):
            raise ModelError(
                f"the network is {seen(module)}; expected a torch.nn.Module from images to logits, or another callable"
            )
        box = fitted("bounds", bounds, Bounds | tuple[float, float])
        box = box if isinstance(box, Bounds) else Bounds(*box)
        binary, probabilities = fitted("binary", binary, bool), fitted("probabilities", probabilities, bool)
        labels, rejects = fitted("labels", labels, int | None), fitted("rejects", rejects, bool)
        if labels is not None and (not 2 <= labels <= MOST_CLASSES or binary or probabilities):
            raise ModelError(
                f"the network was said to return the numbers of {labels} classes, with binary={binary} and "
                f"probabilities={probabilities}; expected 2 to {MOST_CLASSES:,} classes, and neither of the others"
            )
        output = fitted("output", output, str | int | None)
        network = module if isinstance(module, nn.Module) else CallableModule(module)
        if output is not None:
            network = put_around(network, lambda inner: ChosenOutput(inner, output))
        object.__setattr__(self, "module", network)
        object.__setattr__(self, "bounds", box)
        object.__setattr__(self, "binary", binary)
        object.__setattr__(self, "probabilities", probabilities)
        if rejects and binary:
            raise ModelError(
                "the network was said to have a single output and to refuse images; expected an output for each class, "
                "and one for a refusal: leave out binary=True"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "rejects", rejects)
        object.__setattr__(self, "oblivious", rejects and fitted("oblivious", oblivious, bool))

    def around(self, module: nn.Module, **changed: bool) -> "Classifier":
        """Return a classifier of another module, with these bounds and read as this one is, but for what is `changed`.

        Example:
            >>> Classifier(nn.Flatten(), bounds=(-1, 1)).around(nn.Identity()).bounds.lower
            -1
        """
        kept = {name: getattr(self, name) for name in ("binary", "probabilities", "labels", "rejects", "oblivious")}
        return Classifier(module, self.bounds, **(kept | changed))

    @property
    def access(self) -> Access:
        """What attacks are to go by: of callables and of probabilities no gradients are expected."""
        if self.labels is not None:
            return "decision"
        return "scores" if self.probabilities or isinstance(self.module, CallableModule) else "white_box"

    @property
    def device(self) -> torch.device:
        """Where the network's first parameter or buffer lies; the CPU where it has none."""
        tensor = self._any_tensor()
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of all figures: float64 where the network's floating parameters are, otherwise float32."""
        for tensors in (self.module.parameters(), self.module.buffers()):
            wide = (tensor.dtype == torch.float64 for tensor in tensors if tensor.is_floating_point())
            if (first := next(wide, None)) is not None:
                return torch.float64 if first and all(wide) else torch.float32
        return torch.float32

    def _any_tensor(self) -> Tensor | None:
        tensors = (*self.module.parameters(), *self.module.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), None)

    def logits(self, images: Images) -> Tensor:
        """Evaluate the network on images (n, c, h, w) within the bounds; ForwardFailed where it raises an error."""
        with _failures(self.module, images):
            said = answer(self.module, images, arranged=self.access == "white_box")
        return self._read(said, images)

    def logits_beside(self, images: Images, asking: Ask) -> tuple[Logits, Tensor]:
        """Evaluate the network as `logits`, with what else `asking` returns of the same pass: [outputs, more]."""
        with _failures(self.module, images):
            said, more = answer(self.module, images, asking, arranged=self.access == "white_box")
        return self._read(said, images), more

    def checked(self, images: Images, earlier: Sequence[Tensor] = ()) -> Logits:
        """Evaluate the network and refuse outputs that are not logits; arguments and errors as in `check`."""
        with _failures(self.module, images):
            said = answer(self.module, images, arranged=self.access == "white_box")
        outputs = self._read(said, images)
        if self.labels is not None and isinstance(said, Tensor):
            return outputs  # one-hot rows look like probabilities, and are what was asked for
        if self.probabilities:
            check_probabilities(said, binary=self.binary)
        self.check(outputs, images, earlier)
        return outputs

    def _read(self, output: Any, images: Images) -> Any:
        """Turn what the network said into logits of the working type; anything but a tensor is left as it is."""
        if not isinstance(output, Tensor):
            return output
        working = torch.promote_types(images.dtype, torch.float32)
        if output.is_complex():
            raise ModelError(
                f"the network returns complex numbers ({output.dtype}); expected real logits: return what decides, "
                "such as the absolute values"
            )
        if self.labels is not None:
            return _one_hot(output, len(images), self.labels + self.rejects).to(working)
        if self.binary:
            if output.shape not in ((len(images),), (len(images), 1)):
                seen = tuple(output.shape)
                raise ModelError(
                    f"the network returns shape {seen} for {len(images)} images and was said to be binary, that is "
                    "one output per image; leave out binary=True or --binary where every class has an output"
                )
            single = output.reshape(-1, 1)
            output = torch.cat([1 - single if self.probabilities else torch.zeros_like(single), single], 1)
        if self.probabilities:
            output = output if output.is_floating_point() else output.to(working)
            output = output.clamp_min(torch.finfo(output.dtype).tiny).log()
        return output.to(working)

    def check(self, logits: object, images: Images, earlier: Sequence[Tensor] = ()) -> None:
        """Refuse outputs that are not logits.

        Args:
            logits: what the network gave for `images`.
            images: (n, c, h, w).
            earlier: what it gave for others before; the more rows there are, the better probabilities are told.

        Raises:
            ModelError: not a tensor (n, k), a single class, NaN or infinite values, or probabilities.
        """
        count = len(images)
        if not isinstance(logits, Tensor):
            raise ModelError(refusal(logits))
        if logits.ndim != 2 or len(logits) != count:
            said = f"the network returns shape {tuple(logits.shape)} for {count} images; expected ({count}, classes)"
            raise ModelError(said + {1: _NUMBERS, 3: _DEPTHS, 4: _PIXELS}.get(logits.ndim, ""))
        if self.rejects and logits.shape[1] < 3:
            raise ModelError(
                f"the network was said to refuse images and has {logits.shape[1]} outputs; expected one for each of "
                "two classes or more, and a last one for a refusal; leave out rejects=True where it refuses nothing"
            )
        if logits.shape[1] < 2:
            raise ModelError(
                "the network has one output per image, so there is no second class to change to; if it is a binary "
                "network whose class is the sign of that output, say Classifier(module, binary=True) or --binary"
            )
        bad = int((~torch.isfinite(logits)).any(1).sum())
        if bad:
            raise ModelError(
                f"the network's output is NaN or infinite for {bad} of {count} images; "
                "look at the weights and at the normalisation inside the network"
            )
        if not self.probabilities:
            refuse_probabilities(torch.cat([*earlier, logits]), binary=self.binary)


@contextmanager
def _failures(module: nn.Module, images: Images) -> Generator[None]:
    """Say of an error within the block that it is the network's."""
    try:
        yield
    except (BrittleError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        raise ForwardFailed(
            f"the network ({name_of(module)}) fails on images of shape {tuple(images.shape)} ({raised(error)}); call "
            "it on such images yourself to see more"
        ) from error


def _one_hot(said: Tensor, count: int, classes: int) -> Tensor:
    """Turn class numbers into logits that are 1 for the class and 0 for the others, and refuse what is none."""
    whole = not (said.is_floating_point() or said.is_complex() or said.dtype == torch.bool)
    if said.shape != (count,) or not whole:
        raise ModelError(
            f"the network was said to return class numbers and returns shape {tuple(said.shape)} of {said.dtype} for "
            f"{count} images; expected whole numbers ({count},); leave out labels= or --labels if it returns scores"
        )
    wrong = ((said < 0) | (said >= classes)).nonzero()[:, 0]
    if len(wrong):
        first = int(wrong[0])
        raise ModelError(
            f"the network was said to have {classes} classes and returns class {int(said[first])} for image {first}; "
            f"expected 0 to {classes - 1}"
        )
    return nn.functional.one_hot(said.long(), classes)
