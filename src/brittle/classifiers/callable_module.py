"""Networks that are no modules, and what is said of those that give no gradients."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from brittle.errors import ModelError

_SEARCHES = "boundary, hop-skip-jump, nes, noise, one-pixel, random-direction, rotation-translation"
GRADIENT_FREE = f"{_SEARCHES}, simba, spsa, square"
"""Attacks that work with forward passes alone, for the message to who has no more."""


class CallableModule(nn.Module):
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


def no_gradients(reason: str, *, universal: bool = False) -> ModelError:
    """Return the error for a network without gradients that an attack by gradients was run on."""
    mend = f"use an attack that needs only its outputs: {GRADIENT_FREE}"
    if universal:
        mend = "make it on a network that has some, and see what it does to this one with `brittle apply`"
    return ModelError(f"this attack needs gradients and the network gives none ({reason}); {mend}")
