"""Names that a file system takes and that programs stumble over, and commands as a user types them."""

import io
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brittle import cli

ODD = {
    "no text": os.fsdecode(b"caf\xe9\xff"),
    "brackets": "a[0]*?[bold]",
    "a closing tag": "x[/bold]",
    "markup": "[link=x]&lt;<b>{{x}}{0}%s:warning:",
    "a line break": "one\ntwo\tthree\r",
    "a code of the terminal": "\x1b[31mred\x1b[0m\x07\x9b1m",
    "turned reading": "\u202egnp.\u2066\u2028x",
    "a colon": "hf:a:b",
    "a tilde": "~nobody-of-this-name",
    "a dash": "-v",
    "blanks": "  a  b ",
    "quotes": "'\"$(echo x)`\\",
    "the longest": "n" * 255,
    "the longest, of wide letters": "猫" * 85,
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "like an escape": "\\xff\\x5c\\ud800",
}
"""By what is odd."""
SHORT = [name for name in ODD if "longest" not in name]


def odd(kind: str, ending: str = "") -> str:
    """Return a name of this kind with an ending, as long as a file system takes where it is the longest."""
    name = ODD[kind]
    while len(os.fsencode(name + ending)) > 255:
        name = name[:-1]
    return name + ending


@dataclass(frozen=True)
class Said:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    err: str


def typed(words: Sequence[object], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Run a command in this process, with streams as strict as a file's."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors=how) for how in ("strict", "backslashreplace"))
    code = 0
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["brittle", *map(str, words)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.detach().getvalue().decode("utf-8"))
    return Said(code, *texts)


def obeyed(text: str) -> set[str]:
    """Return the characters of a text that are not text: what a terminal would obey, or nobody see."""
    kept = "\n\u200c\u200d"
    return {one for one in text if not (one in kept or one.isprintable() or unicodedata.category(one) == "Zs")}


def pictures(folder: Path, names: Sequence[str] = ("1.png", "2.png")) -> Path:
    """Write small grey images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        levels = np.random.default_rng(number).integers(0, 256, (28, 28), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            Image.fromarray(levels).save(file, "PNG")
    return folder


def network(path: Path, classes: Sequence[str] = ()) -> Path:
    """Write a Python file with a factory `net` of a linear network on 28 x 28 grey values, with 2 outputs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "import torch\n\n\ndef net():\n"
        "    torch.manual_seed(0)\n"
        "    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 2))\n"
        f"    module.input_shape, module.classes = (1, 28, 28), {list(classes)!r}\n"
        "    return module\n"
    )
    return path


Words = Callable[[Path, str], list[object]]
