"""The classifier under attack: a module from images to logits, its bounds, and what it promises."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from brittle.core.bounds import Bounds
from brittle.errors import ModelError
from brittle.types import Images, Logits


@dataclass(frozen=True, init=False)
class Classifier:
    """A network from images within `bounds` to logits, with its normalisation inside.

    Args:
        module: any `nn.Module`, also that of a `torch.export` program. It may return a tensor (n, k) or an object with
            `.logits`.
        bounds: lowest and highest value of an image; (0, 1) by default.
        binary: the network has a single output z per image and means class 1 where z > 0; it is read as the two logits
            (0, z).

    Raises:
        ModelError: the module is not a module.

    Example:
        >>> classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
        >>> classifier.logits(torch.zeros(2, 1, 2, 2)).shape
        torch.Size([2, 3])
    """

    module: nn.Module
    bounds: Bounds
    binary: bool

    def __init__(self, module: nn.Module, bounds: Bounds | tuple[float, float] = (0.0, 1.0), *, binary: bool = False):
        if not isinstance(cast(object, module), nn.Module):
            raise ModelError(
                f"the network is a {type(module).__name__}; expected a torch.nn.Module from images to logits"
            )
        box = bounds if isinstance(bounds, Bounds) else Bounds(*bounds)
        if not 0 < box.span < math.inf:
            raise ModelError(f"the bounds are {box.lower} and {box.upper}; expected two numbers, the lower one first")
        object.__setattr__(self, "module", module)
        object.__setattr__(self, "bounds", box)
        object.__setattr__(self, "binary", binary)

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
        return self._outputs(images)

    def checked(self, images: Images) -> Logits:
        """Evaluate the network and refuse outputs that are not logits; arguments and errors as in `check`."""
        outputs = self._outputs(images)
        self.check(outputs, images)
        return outputs

    def _outputs(self, images: Images) -> Any:
        output: Any = self.module(images)
        output = getattr(output, "logits", output)
        if not self.binary or not isinstance(output, Tensor):
            return output
        if output.shape not in ((len(images),), (len(images), 1)):
            seen = tuple(output.shape)
            raise ModelError(
                f"the network returns shape {seen} for {len(images)} images and was said to be binary, that is one "
                "output per image; leave out binary=True or --binary where every class has an output"
            )
        single = output.reshape(-1, 1)
        return torch.cat([torch.zeros_like(single), single], 1)

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
            raise ModelError(f"the network returns shape {seen} for {count} images; expected ({count}, classes)")
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
        if _are_probabilities(logits):
            raise ModelError(
                "the network's outputs lie in 0..1 and sum to 1: they look like probabilities, and attacks need "
                "logits; remove the final softmax (its gradients vanish, which makes networks look robust that are not)"
            )


def _are_probabilities(logits: Logits) -> bool:
    """AutoAttack's rule (checks.py, `check_range_output`): within 0..1 and every row sums to 1, both to 1e-5."""
    if not len(logits):
        return False
    lowest, highest = logits.aminmax()
    return bool((lowest > -1e-5) & (highest < 1 + 1e-5) & ((logits.sum(1) - 1).abs() < 1e-5).all())


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
