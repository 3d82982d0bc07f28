"""The classifier under attack: a module from images to logits, its bounds, and what it promises."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from brittle.core.bounds import Bounds
from brittle.core.layout import ask, laid_out
from brittle.core.way_back import shortened
from brittle.errors import ModelError
from brittle.types import Images, Logits

_SEARCHES = "boundary, hop-skip-jump, nes, noise, one-pixel, random-direction, rotation-translation"
GRADIENT_FREE = f"{_SEARCHES}, simba, spsa, square"
"""Attacks that work with forward passes alone, for the message to who has no more."""
Reveals = Literal["gradients", "scores", "labels"]
"""What attacks are to go by."""
SLACK = 1e-3
"""How far probabilities may lie outside 0..1 and their sum from 1: services round what they return."""


@dataclass(frozen=True, init=False)
class Classifier:
    """A network from images within `bounds` to logits, with its normalisation inside.

    Args:
        module: any `nn.Module`, also that of a `torch.export` program; or any callable from a tensor of images to one
            of outputs, such as a question to a remote service, which gets its images on the CPU. It may return a tensor
            (n, k) or an object with `.logits`.
        bounds: lowest and highest value of an image; (0, 1) by default.
        binary: the network has a single output z per image and means class 1 where z > 0; it is read as the two logits
            (0, z).
        probabilities: the outputs are probabilities p (with `binary`, that of class 1). They are read as the logits
            log p, with p no smaller than the smallest normal number of its type (1.2e-38 in float32), so that log p is
            at least -87.3. Meant for black boxes: where probabilities round to 0 or 1, gradients vanish.
        labels: the outputs are class numbers (n,), whole numbers of this many classes, and nothing else is revealed.
            They are read as logits that are 1 for the class and 0 for the others.

    Raises:
        ModelError: the module is neither a module nor callable, or what is said of its outputs cannot all be true.

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
    """

    module: nn.Module
    bounds: Bounds
    binary: bool
    probabilities: bool
    labels: int | None

    def __init__(
        self,
        module: nn.Module | Callable[[Tensor], Tensor],
        bounds: Bounds | tuple[float, float] = (0.0, 1.0),
        *,
        binary: bool = False,
        probabilities: bool = False,
        labels: int | None = None,
    ):
        if isinstance(module, type) or not callable(cast(object, module)):
            seen = f"the class {module.__name__}" if isinstance(module, type) else f"a {type(module).__name__}"
            raise ModelError(
                f"the network is {seen}; expected a torch.nn.Module from images to logits, or another callable"
            )
        box = bounds if isinstance(bounds, Bounds) else Bounds(*bounds)
        if not 0 < box.span < math.inf:
            raise ModelError(f"the bounds are {box.lower} and {box.upper}; expected two numbers, the lower one first")
        if labels is not None and (labels < 2 or binary or probabilities):
            raise ModelError(
                f"the network was said to return the numbers of {labels} classes, with binary={binary} and "
                f"probabilities={probabilities}; expected at least 2 classes, and neither of the others"
            )
        object.__setattr__(self, "module", module if isinstance(module, nn.Module) else Called(module))
        object.__setattr__(self, "bounds", box)
        object.__setattr__(self, "binary", binary)
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "labels", labels)

    @property
    def reveals(self) -> Reveals:
        """What attacks are to go by: of callables and of probabilities no gradients are expected."""
        if self.labels is not None:
            return "labels"
        return "scores" if self.probabilities or isinstance(self.module, Called) else "gradients"

    @property
    def device(self) -> torch.device:
        """Where the network's first parameter or buffer lies; the CPU where it has none."""
        tensor = self._any_tensor()
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of the network's first floating parameter or buffer; float32 where it has none."""
        tensor = self._any_tensor()
        return torch.float32 if tensor is None else tensor.dtype

    def _any_tensor(self) -> Tensor | None:
        tensors = (*self.module.parameters(), *self.module.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), None)

    def logits(self, images: Images) -> Tensor:
        """Evaluate the network on images (n, c, h, w) within the bounds."""
        return self._read(self._said(images), images)

    def checked(self, images: Images) -> Logits:
        """Evaluate the network and refuse outputs that are not logits; arguments and errors as in `check`."""
        said = self._said(images)
        outputs = self._read(said, images)
        if self.labels is not None and isinstance(said, Tensor):
            return outputs  # one-hot rows look like probabilities, and are what was asked for
        if self.probabilities:
            _check_probabilities(said, binary=self.binary)
        self.check(outputs, images)
        return outputs

    def _said(self, images: Images) -> Any:
        if self.reveals != "gradients":
            return ask(self.module, images)
        with shortened(images):
            return ask(self.module, laid_out(self.module, images))

    def _read(self, output: Any, images: Images) -> Any:
        """Turn what the network said into logits of the images' type; anything but a tensor is left as it is."""
        if not isinstance(output, Tensor):
            return output
        if self.labels is not None:
            return _one_hot(output, len(images), self.labels).to(images.dtype)
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
            output = output if output.is_floating_point() else output.to(images.dtype)
            output = output.clamp_min(torch.finfo(output.dtype).tiny).log()
        return output.to(images.dtype)

    def check(self, logits: object, images: Images) -> None:
        """Refuse outputs that are not logits.

        Args:
            logits: what the network gave for `images`.
            images: (n, c, h, w).

        Raises:
            ModelError: not a tensor (n, k), a single class, NaN or infinite values, or probabilities.
        """
        count = len(images)
        if not isinstance(logits, Tensor):
            kind = type(logits).__name__
            raise ModelError(f"the network returns a {kind}; expected a tensor of logits, or an object with .logits")
        if logits.ndim != 2 or len(logits) != count:
            seen = tuple(logits.shape)
            hint = ""
            if seen == (count,):
                hint = "; if these are class numbers, say Classifier(module, labels=NUMBER OF CLASSES) or --labels"
            raise ModelError(f"the network returns shape {seen} for {count} images; expected ({count}, classes){hint}")
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
        if are_probabilities(logits):
            raise ModelError(
                "the network's outputs lie in 0..1 and sum to 1: they look like probabilities, and attacks need "
                "logits; remove the final softmax (its gradients vanish, which makes networks look robust that are "
                "not), or, for attacks without gradients, say Classifier(module, probabilities=True) or --probabilities"
            )


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


def are_probabilities(logits: Logits) -> bool:
    """AutoAttack's rule (checks.py, `check_range_output`): within 0..1 and every row sums to 1, both to 1e-5."""
    if not len(logits):
        return False
    lowest, highest = logits.aminmax()
    return bool((lowest > -1e-5) & (highest < 1 + 1e-5) & ((logits.sum(1) - 1).abs() < 1e-5).all())


def _check_probabilities(said: object, *, binary: bool) -> None:
    """Refuse outputs that were said to be probabilities and are none; other shapes are for `check` to refuse."""
    if not isinstance(said, Tensor) or (said.ndim != 2 and not binary) or not said.numel():
        return
    rows = said.detach().reshape(len(said), -1).double()
    right = ((rows >= -SLACK) & (rows <= 1 + SLACK)).all(1)
    if not binary:
        right &= (rows.sum(1) - 1).abs() <= SLACK
    wrong = (~right).nonzero()[:, 0]
    if len(wrong):
        first = int(wrong[0])
        lowest, highest, total = (float(value) for value in (*rows[first].aminmax(), rows[first].sum()))
        expected = "a number in 0..1" if binary else f"numbers in 0..1 that sum to 1 within {SLACK:g}"
        raise ModelError(
            f"the network was said to return probabilities, but for {len(wrong)} of {len(rows)} images it does not: "
            f"for image {first} they reach from {lowest:.4g} to {highest:.4g} and sum to {total:.4g}; "
            f"expected {expected}; leave out probabilities=True or --probabilities if they are logits"
        )


class Called(nn.Module):
    """Any callable as a module without parameters."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Any:
        """Ask the callable; where it cannot take images that carry gradients, say so."""
        try:
            return self.function(images)
        except (RuntimeError, TypeError) as error:
            if images.requires_grad:
                raise no_gradients(f"it fails on images that ask for them: {str(error).splitlines()[0]}") from error
            raise


def no_gradients(reason: str) -> ModelError:
    """Return the error for a network without gradients that an attack by gradients was run on."""
    return ModelError(
        f"this attack needs gradients and the network gives none ({reason}); use an attack that needs only its "
        f"outputs: {GRADIENT_FREE}"
    )


@contextmanager
def undisturbed(module: nn.Module, seed: int = 0) -> Generator[None]:
    """Hold a module still: eval mode, no gradients of parameters, its own random state; then put all back.

    A module of `torch.export` has no modes; it is used as it is, and the modules around it are put in eval mode. A
    stochastic network draws from the global random state, which is therefore set from `seed` and put back.

    Args:
        module: the user's module; its modes and `requires_grad` are restored also after an exception.
        seed: of the random state that the network sees.
    """
    modes = [(child, child.training) for child in module.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    devices = {tensor.device.index or 0 for tensor in (*module.parameters(), *module.buffers()) if tensor.is_cuda}
    try:
        with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
            try:
                module.eval()
            except NotImplementedError:
                for child, _ in modes:
                    child.training = False
            for parameter, _ in wanted:
                parameter.requires_grad_(False)
            for generator in (torch.default_generator, *(torch.cuda.default_generators[device] for device in devices)):
                generator.manual_seed(seed)  # torch.manual_seed would reset the other devices' states too
            yield
    finally:
        for child, training in modes:
            child.training = training
        for parameter, required in wanted:
            parameter.requires_grad_(required)
