"""What a network in training says, and where it lies."""

import torch
from torch import Tensor, nn

from brittle.classifiers.chosen_output import refusal
from brittle.classifiers.door import answer
from brittle.errors import ModelError


def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """The module's outputs, or those of an object that carries them as `.logits`."""
    outputs = answer(module, images, arranged=False)
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(images):
        if not isinstance(outputs, Tensor):
            raise ModelError(refusal(outputs))
        raise ModelError(
            f"the network returned {tuple(outputs.shape)} for {len(images)} images; it must return logits, images x "
            "classes"
        )
    return outputs


def device_of(module: nn.Module) -> torch.device:
    """Where the module lies; the processor when it has no tensors."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
