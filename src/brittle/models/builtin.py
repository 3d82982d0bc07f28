"""Networks whose architecture comes with brittle."""

from importlib.resources import as_file, files
from pathlib import Path

from brittle.errors import ModelError
from brittle.models.architectures import ARCHITECTURES
from brittle.models.network import Network, digest_of, parameters_of, seeded
from brittle.models.weights import load_weights
from brittle.models.wider import as_trained


def load_builtin(name: str, weights: Path | None = None) -> Network:
    """Builds an architecture by name, with the given weights or those that come with the package.

    Args:
        name: a key of `ARCHITECTURES`.
        weights: a safetensors file; needed where the package brings none.

    Raises:
        ModelError: weights are needed but not given, or are not of this network.

    Example:
        >>> load_builtin("digits-lenet").input_shape
        (1, 28, 28)
    """
    architecture = ARCHITECTURES[name] if weights is None else as_trained(ARCHITECTURES[name], weights)
    with seeded():
        module = architecture.build()
    if weights is not None:
        load_weights(module, weights)
    elif architecture.shipped:
        with as_file(files("brittle.models") / "weights" / f"{name}.safetensors") as shipped:
            load_weights(module, shipped)
    else:
        raise ModelError(
            f"{name} is an architecture without weights of its own; train it with "
            f"`brittle train {name} --data DATA --out {name}` and give --weights {name}"
        )
    ours = architecture.digits and weights is None  # weights of another file may be of other classes
    classes = tuple(str(label) for label in range(architecture.classes)) if ours else ()
    return Network(
        name,
        module.eval(),
        digest_of(module),
        architecture.input_shape,
        classes,
        parameters_of(module),
        normalises=True,
    )
