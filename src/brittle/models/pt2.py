"""Networks exported with `torch.export.save`."""

import io
import logging
from pathlib import Path
from typing import cast

import torch
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from brittle.errors import ModelError, quoted
from brittle.models.archive import check_archive
from brittle.models.network import Network, digest_of, parameters_of
from brittle.plugins.loggers import held_to
from brittle.reading import read_bytes

EXPORT = "torch.export.export(module.eval(), (images,), dynamic_shapes=({0: torch.export.Dim('n')},))"
"""How a network must be exported."""


def load_pt2(path: Path, device: str = "cpu") -> Network:
    """Loads a torch.export archive, after a look inside that lets no pickle and no program pass.

    Args:
        path: the `.pt2` file.
        device: where its weights shall lie.

    Raises:
        ModelError: no such file, a broken or old one, one with pickles inside, or one that does not take a batch of any
            number of images.
        OverLimit: it would take more than the limits allow.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error.strerror}") from error
    check_archive(content, path.name)
    try:
        with held_to(logging.CRITICAL, "torch.export"):  # it logs the traceback of an error that is raised anyway
            program = torch.export.load(io.BytesIO(content))
            if torch.device(device).type != "cpu":
                program = move_to_device_pass(program, device)
            module = program.module(check_guards=False)  # guards are pasted into Python source
    except Exception as error:
        raise ModelError(
            f"{str(path)!r} cannot be loaded by torch {torch.__version__} ({type(error).__name__}: {quoted(error)}); "
            "export it again with this version of torch"
        ) from error
    shape = _input_shape(program, path.name)
    return Network(str(path), module, digest_of(torch.nn.Identity(), content), shape, (), parameters_of(module))


def _input_shape(program: ExportedProgram, name: str) -> tuple[int, int, int] | None:
    """Channels, height and width that the graph was traced with; None where they are free."""
    inputs = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes}
    values = [nodes[given].meta.get("val") for given in inputs if isinstance(given, str) and given in nodes]
    if len(inputs) != 1 or len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 4:
        seen = [tuple(value.shape) if isinstance(value, torch.Tensor) else value for value in values]
        raise ModelError(f"{name} takes {quoted(seen)}; it must take one tensor of images, n x c x h x w: {EXPORT}")
    batch, *sides = cast("tuple[int | torch.SymInt, ...]", tuple(values[0].shape))
    if isinstance(batch, int):
        raise ModelError(f"{name} takes exactly {batch} images at a time; export it for any number: {EXPORT}")
    if not all(isinstance(side, int) for side in sides):
        return None
    return cast("tuple[int, int, int]", tuple(sides))
