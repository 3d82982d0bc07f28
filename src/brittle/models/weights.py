"""Weights from safetensors files, put into a module by their names; pickles are refused."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor, nn

from brittle.errors import ModelError, OverLimit, RunError, quoted
from brittle.models.pickled import conversion
from brittle.near import files_like, or_said
from brittle.reading import open_tensors
from brittle.runs.kinds import WEIGHTS_FILE, kind_in

PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")
"""Endings of files that are Python pickles inside."""
SHOWN = 5
"""Names told of each kind in an error."""


def refuse_pickle(path: Path) -> None:
    """Refuses a file whose ending says that it is a pickle, and says how to convert it.

    Raises:
        ModelError: it is one, or an empty file.

    Example:
        >>> refuse_pickle(Path("weights.safetensors"))
    """
    if path.suffix.lower() in PICKLES:
        if path.is_file() and not path.stat().st_size:
            raise ModelError(f"{str(path)!r} is an empty file; save or copy the network once more")
        raise ModelError(
            f"{str(path)!r} is a pickle, and loading a pickle can run any program that its maker put in; brittle reads "
            f"none. {conversion(path)}"
        )


def weights_file(path: Path) -> Path:
    """Return the file of weights that a user names: itself, or that in the folder of a finished training or substitute.

    Raises:
        ModelError: a folder of something else, of a training that is not finished, or whose file is damaged.

    Example:
        >>> weights_file(Path("weights.safetensors"))
        PosixPath('weights.safetensors')
    """
    if not path.is_dir():
        return path
    from brittle.runs.results import SubstituteFolder, TrainingFolder  # manifests take half a second to import

    folder = SubstituteFolder if kind_in(path) == "substitute" else TrainingFolder
    try:
        return folder.open(path).file(WEIGHTS_FILE)
    except RunError as error:
        raise ModelError(f"no weights can be taken from the folder {str(path)!r}: {error}") from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Replaces all weights and buffers of a module by those of a safetensors file with the same names.

    Args:
        module: receives them in place.
        path: a `.safetensors` file.

    Raises:
        ModelError: no such file, a pickle, a broken file, or names or shapes that differ (they are told).
    """
    refuse_pickle(path)
    try:
        with open_tensors(path) as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
    except FileNotFoundError as error:
        near = or_said([str(one) for one in files_like(path)])
        raise ModelError(f"there is no file {str(path)!r} to take the weights from{near}") from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{str(path)!r} is not a whole safetensors file ({quoted(error)}); save or copy it again"
        ) from error
    fill(module, found, path)


def classes_in(path: Path, module: nn.Module, usual: int) -> int:
    """Return how many classes the network in a file of weights has, that is like a module but for its last layer.

    Only the shapes in the file's header are read.

    Args:
        path: a `.safetensors` file.
        module: with as many outputs as the network has by default.
        usual: how many these are.

    Returns:
        The number of outputs where that alone tells file and module apart; else `usual`, which leaves it to `fill`, or
        to whatever opens the file, to say what is wrong.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found: dict[str, tuple[int, ...]] = {}
    with suppress(OSError, ValueError, OverLimit), open_tensors(path) as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    differing = [(shape, wanted[name]) for name, shape in found.items() if shape != wanted.get(name, shape)]
    heads = {seen[0] for seen, own in differing if seen and own and own[0] == usual and seen[1:] == own[1:]}
    told = found.keys() == wanted.keys() and len(heads) == 1
    if not told or any(seen[1:] != own[1:] or own[:1] != (usual,) for seen, own in differing):
        return usual
    return heads.pop()


def fill(module: nn.Module, found: Mapping[str, Tensor], path: Path) -> None:
    """Replace all weights and buffers of a module by those of the same names.

    Args:
        module: receives them in place.
        found: by name.
        path: where they come from, for the error.

    Raises:
        ModelError: names or shapes that differ (they are told).
    """
    wanted = module.state_dict()
    both = wanted.keys() & found.keys()
    shapes = {name: (tuple(found[name].shape), tuple(wanted[name].shape)) for name in both}
    kinds = (f"{name} is {found[name].dtype}" for name in both if _kind(found[name]) != _kind(wanted[name]))
    differing = (f"{name} is {seen}, not {needed}" for name, (seen, needed) in shapes.items() if seen != needed)
    problems = [
        *_told("missing in the file", wanted.keys() - found.keys()),
        *_told("unknown to the network", found.keys() - wanted.keys()),
        *_told("of another shape", differing),
        *_told("of another kind of numbers", kinds),
    ]
    if problems:
        raise ModelError(f"the weights in {str(path)!r} are not of this network: {quoted('; '.join(problems), 400)}")
    try:
        module.load_state_dict(found)
    except (RuntimeError, NotImplementedError) as error:  # a type of few bits, which torch copies into no other
        raise ModelError(f"the weights in {str(path)!r} cannot be put into this network: {quoted(error)}") from error


def _kind(tensor: Tensor) -> str:
    """Whether a tensor holds whole numbers, real ones or complex ones."""
    return "complex" if tensor.is_complex() else "real" if tensor.is_floating_point() else "whole"


def _told(what: str, names: Iterable[str]) -> list[str]:
    """One clause that counts the names and shows the first of them; none when there are none."""
    names = sorted(names)
    more = ", ..." if len(names) > SHOWN else ""
    return [f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})"] if names else []
