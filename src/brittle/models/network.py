"""A network as the rest of brittle sees it, wherever it came from."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brittle.identity.walk import Known


@dataclass(frozen=True)
class Network:
    """A classifier with what is known about it.

    Attributes:
        spec: what the user wrote.
        module: from images in [0, 1] to logits (or an object that carries them as `.logits`), in eval mode.
        digest: sha256 of weights and structure, in hex; the same network has the same digest on every device.
        input_shape: channels, height, width; None where the source does not say.
        classes: class names in the order of the logits; () where the source does not know them.
        parameters: number of weights (buffers not counted).
        sources: names of the loaded Python modules that built it, where these are the user's.
        compare: of a converted network, what compares the module with its origin on images; it takes the module, images
            in [0, 1] and what they are in words, and raises ModelError where the outputs differ.
    """

    spec: str
    module: nn.Module
    digest: str
    input_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()
    parameters: int = 0
    sources: tuple[str, ...] = ()
    compare: Callable[[nn.Module, Tensor, str], None] | None = None


def digest_of(module: nn.Module, *sources: bytes, known: Known | None = None) -> str:
    """The sha256 of a module's structure and of the names, types, shapes and bytes of its weights and buffers.

    Args:
        module: on any device.
        sources: more bytes that determine what it computes, such as the file it came from.
        known: digests of its tensors from an earlier look, taken again where nobody has written to them since.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> digest_of(nn.ReLU()) == digest_of(nn.ReLU()), digest_of(nn.ReLU()) == digest_of(nn.Tanh())
        (True, False)
    """
    digest, known = hashlib.sha256(), known or Known()
    for name, part in module.named_modules():
        digest.update(f"{name}: {type(part).__qualname__}({part.extra_repr()})\n".encode())
    for name, tensor in sorted((*module.named_parameters(), *module.named_buffers())):
        digest.update(f"{name}: {known.digest(tensor)}\n".encode())
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    return digest.hexdigest()


def parameters_of(module: nn.Module) -> int:
    """The number of weights of a module.

    Example:
        >>> parameters_of(nn.Linear(3, 2))
        8
    """
    return sum(weight.numel() for weight in module.parameters())


@contextmanager
def seeded(seed: int = 0) -> Generator[None, None, None]:
    """Within it torch draws from a seed; afterwards its random state is as before.

    First weights that a file then replaces cost no randomness, and those that nothing replaces are the same every time.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
