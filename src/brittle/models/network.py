"""A network as the rest of brittle sees it, wherever it came from."""

import hashlib
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from brittle.classifiers.around import Around, put_around
from brittle.classifiers.sizes import check_sizes
from brittle.errors import BrittleError, ModelError
from brittle.identity.walk import Known
from brittle.plugins.own_code import raised

LARGEST_INPUT = 2**25
"""Values of the largest image that a network may take, 3 x 3344 x 3344."""
SHOWN = 300
"""Letters of a foreign error that are told."""


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
        own_weights: whether a function of the user's built it, whose weights it has, as no others were named.
        normalises: whether it is known to take images in [0, 1] and to normalise them itself, if it wants them so.
        labels: of a network that is known to return class numbers and nothing else, how many classes there are.
    """

    spec: str
    module: nn.Module
    digest: str
    input_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()
    parameters: int = 0
    sources: tuple[str, ...] = ()
    compare: Callable[[nn.Module, Tensor, str], None] | None = None
    labels: int | None = None
    normalises: bool = False
    own_weights: bool = False

    def __post_init__(self):
        if self.input_shape is not None:
            check_input(self.input_shape, self.spec)


def digest_of(module: nn.Module, *sources: bytes, known: Known | None = None) -> str:
    """The sha256 of a module's structure and of the names, types, shapes and bytes of its weights and buffers.

    Args:
        module: on any device.
        sources: more bytes that determine what it computes, such as the file it came from.
        known: digests of its tensors from an earlier look, taken again where nobody has written to them since.

    Returns:
        64 hexadecimal digits.

    Raises:
        ModelError: layers of the module do not know their sizes yet.

    Example:
        >>> digest_of(nn.ReLU()) == digest_of(nn.ReLU()), digest_of(nn.ReLU()) == digest_of(nn.Tanh())
        (True, False)
    """
    check_sizes(module)
    digest, known = hashlib.sha256(), known or Known()
    for name, part in module.named_modules():
        digest.update(f"{name}: {type(part).__qualname__}({part.extra_repr()})\n".encode())
    for name, tensor in sorted((*module.named_parameters(), *module.named_buffers())):
        digest.update(f"{name}: {known.digest(tensor)}\n".encode())
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    return digest.hexdigest()


def surrounded(network: Network, make: Callable[[nn.Module], Around]) -> Network:
    """Return a network with something around it, which has a digest of its own.

    Args:
        network: what is within.
        make: what is put around its module.

    Example:
        >>> from brittle.classifiers.chosen_output import ChosenOutput
        >>> surrounded(Network("mine", nn.Flatten(), ""), lambda module: ChosenOutput(module, 0)).module.output
        0
    """
    module, compare = put_around(network.module, make), network.compare

    def compared(given: nn.Module, images: Tensor, what: str) -> None:
        """Compare the network within with its origin, on what it gets to see of images."""
        if compare is not None and isinstance(given, Around):
            compare(given.module, given.inside(images), what)

    digest = digest_of(module, network.digest.encode())
    return replace(network, module=module, digest=digest, compare=None if compare is None else compared)


def parameters_of(module: nn.Module) -> int:
    """The number of weights of a module.

    Example:
        >>> parameters_of(nn.Linear(3, 2))
        8
    """
    return sum(weight.numel() for weight in module.parameters())


@contextmanager
def telling(what: str, mend: str | Callable[[BaseException], str]) -> Generator[None, None, None]:
    """Within it, whatever foreign code or a foreign file raises becomes one ModelError; our own errors pass.

    Args:
        what: is done, as the beginning of a sentence, such as "hf:NAME cannot be loaded".
        mend: what can be done about it, or what says that of an error.

    Raises:
        ModelError: with what was raised.

    Example:
        >>> with telling("it cannot be read", "copy it again"):
        ...     {}["weights"]
        Traceback (most recent call last):
        brittle.errors.ModelError: it cannot be read (KeyError: 'weights'); copy it again
    """
    try:
        yield
    except BrittleError:
        raise
    except (Exception, SystemExit) as error:  # a program that ends itself would end brittle, and say that all is well
        raise ModelError(f"{what} ({raised(error)}); {mend if isinstance(mend, str) else mend(error)}") from error


def check_input(shape: tuple[int, int, int], name: str) -> None:
    """Refuse images so large that a few of them take all memory: a file can ask for any size.

    Raises:
        ModelError: with the shape and the limit.
    """
    if not (min(shape) > 0 and math.prod(shape) <= LARGEST_INPUT):
        raise ModelError(
            f"{name} takes images of {'x'.join(map(str, shape))}; expected sides of at least 1, and at most "
            f"{LARGEST_INPUT:,} values"
        )


@contextmanager
def seeded(seed: int = 0) -> Generator[None, None, None]:
    """Within it torch draws from a seed; afterwards its random state is as before.

    First weights that a file then replaces cost no randomness, and those that nothing replaces are the same every time.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
