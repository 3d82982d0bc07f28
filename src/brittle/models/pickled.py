"""Files that are pickles inside: what they look like, told without unpickling, and how their owner converts them."""

import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from brittle.reading import open_ordinary, open_zip

LOOKED_AT = 4 * 2**20
"""Bytes of a pickle that are looked at: its instructions stand before the numbers."""
SEVERAL = 6
"""Pickles that follow each other in a file of torch before 1.6."""
HOLDERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "ema")
"""What checkpoints call the weights among what else they hold."""
WEIGHT = re.compile(r"(?:\w+\.)*(?:weight|bias|running_mean)")
"""How the names of weights read."""
WRAPPERS = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before the names of weights."""
LIGHTNING = "pytorch-lightning_version"
TENSORS = ("torch", "collections", "_codecs", "builtins", "__builtin__", "numpy")
"""The packages of what a pickle of tensors asks for."""
RUNS = "  # runs what its maker put in"


@dataclass
class Look:
    """What the instructions of a pickle name.

    Attributes:
        names: "package.module Name" of what it would import.
        words: its texts, in their order.
    """

    names: list[str] = field(default_factory=list[str])
    words: list[str] = field(default_factory=list[str])

    @property
    def whole(self) -> bool:
        """Whether it holds modules, and not their weights alone."""
        return {"_modules", "_parameters"} <= {*self.words}

    @property
    def own(self) -> list[str]:
        """What it would import beside what tensors are made of."""
        return [name for name in self.names if name.partition(" ")[0].partition(".")[0] not in TENSORS]

    @property
    def holder(self) -> str | None:
        """The key of the weights, where they are one thing among others."""
        return next((name for name in HOLDERS if name in self.words), None)

    @property
    def prefix(self) -> str:
        """What stands before all names of weights, and is not the network's own."""
        weights = [word for word in self.words if WEIGHT.fullmatch(word)]
        first = weights[0].partition(".")[0] + "." if weights and "." in weights[0] else ""
        strange = first in WRAPPERS or LIGHTNING in self.words
        return first if first and strange and all(word.startswith(first) for word in weights) else ""


def conversion(path: Path) -> str:
    """Return what a file looks like, and how its owner brings what it holds into a form that brittle reads.

    Args:
        path: of a file whose ending is that of a pickle; it need not exist.

    Example:
        >>> print(conversion(Path("nowhere.pth")))
        Where you trust the file, convert its weights once:
            import torch
            from safetensors.torch import save_file
            weights = torch.load('nowhere.pth', map_location='cpu', weights_only=True)
            save_file({name: one.contiguous().clone() for name, one in weights.items()}, 'nowhere.safetensors')
          and name the code that builds the network: FILE.py:FACTORY --weights nowhere.safetensors
    """
    members: set[str] = set()
    look = Look()
    with suppress(OSError, ValueError, zipfile.BadZipFile, RuntimeError, EOFError, NotImplementedError):
        members, look = _opened(path)
    if any(name.startswith("code/") for name in members):
        return _script(path)
    if members & {"archive_format", "serialized_exported_program.json", "models/model.json"}:
        return f"It looks like a torch.export archive, which is read by its ending: call it {path.stem}.pt2."
    return _module(path, look) if look.whole else _weights(path, look)


def _opened(path: Path) -> tuple[set[str], Look]:
    """The members of an archive without their common folder, and what its pickle names."""
    if not zipfile.is_zipfile(path):
        with open_ordinary(path) as file:
            return set(), _looked(file.read(LOOKED_AT))
    with open_zip(path, path.name) as archive:
        members = {name.partition("/")[2]: name for name in archive.namelist()}
        if "data.pkl" not in members:
            return {*members, *archive.namelist()}, Look()
        with archive.open(members["data.pkl"]) as member:
            return {*members}, _looked(member.read(LOOKED_AT))


def _looked(content: bytes) -> Look:
    """Read the instructions of pickles one by one; none is carried out."""
    look, stream = Look(), BytesIO(content)
    for _ in range(SEVERAL):
        with suppress(ValueError, EOFError, UnicodeError, IndexError, OverflowError):
            for name, argument in _instructions(stream):
                if name == "GLOBAL":
                    look.names.append(argument)
                elif name == "STACK_GLOBAL":
                    look.names.append(" ".join(look.words[-2:]))
                elif "UNICODE" in name or "STRING" in name:
                    look.words.append(argument)
    return look


def _instructions(stream: BytesIO) -> Iterator[tuple[str, str]]:
    for instruction, argument, _ in pickletools.genops(stream):
        yield instruction.name, str(argument)


def _weights(path: Path, look: Look) -> str:
    holder, prefix = look.holder, look.prefix
    seen = ""
    if look.words:
        inside = f" under {holder!r}" if holder else ""
        seen = f"It looks like weights{inside}{f', each called {prefix}NAME' if prefix else ''}. "
    trusted = "weights_only=True" if not look.own else "weights_only=False"
    load = f"weights = torch.load({str(path)!r}, map_location='cpu', {trusted}){f'[{holder!r}]' if holder else ''}"
    name = f"name.removeprefix({prefix!r})" if prefix else "name"
    return seen + _pasted(path, [load + (RUNS if look.own else "")], "weights.items()", name)


def _module(path: Path, look: Look) -> str:
    own = next((name.replace(" ", ".") for name in look.own), "")
    where, kind = (f", where {own} can be imported", f" of the class {own}, without its code") if own else ("", "")
    load = f"module = torch.load({str(path)!r}, map_location='cpu', weights_only=False){RUNS}"
    said = f"It looks like a whole module{kind}. "
    return said + _pasted(path, [load], "module.state_dict().items()", "name", where)


def _pasted(path: Path, load: list[str], items: str, name: str, where: str = "") -> str:
    target = str(path.with_suffix(".safetensors"))
    lines = [
        "import torch",
        "from safetensors.torch import save_file",
        *load,
        f"save_file({{{name}: one.contiguous().clone() for name, one in {items}}}, {target!r})",
    ]
    return (
        f"Where you trust the file, convert its weights once{where}:\n"
        + "".join(f"    {line}\n" for line in lines)
        + f"  and name the code that builds the network: FILE.py:FACTORY --weights {target}"
    )


def _script(path: Path) -> str:
    lines = [
        "import torch",
        "def network():",
        f"    return torch.jit.load({str(path.resolve())!r}, map_location='cpu').eval(){RUNS}",
    ]
    return (
        "It looks like TorchScript, a program with its weights. Where you trust the file, put these lines into "
        "network.py:\n" + "".join(f"    {line}\n" for line in lines) + "  and give network.py:network in its place"
    )
