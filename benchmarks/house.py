"""Measure the house: frames from `run` to the module, places an option is named, files a kind of thing touches.

Run with the sources to measure, a folder that holds `brittle`: ``python benchmarks/house.py [SRC]``.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FRAMES = """
import sys, inspect, json
sys.path.insert(0, SRC)
import torch, brittle
from torch import nn
seen = []
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.layer = nn.Linear(4, 2)
    def forward(self, x):
        seen.append([f.function for f in inspect.stack(0) if f.filename.startswith(SRC)])
        return self.layer(x.flatten(1))
net = Net()
x = torch.rand(3, 1, 2, 2)
y = net(x).argmax(1)
seen.clear()
brittle.run(brittle.PGD(steps=3), brittle.Classifier(net), x, y, threat=brittle.Lp('inf', .01))
print(json.dumps(max(seen, key=len)[::-1]))
"""
OPTIONS = {
    "dtype": ("dtype",),
    "crop": ("crop",),
    "skip_bad": ("skip_bad", "skip-bad", "SkipBad"),
    "draws": ("draws",),
    "budget": ("budget",),
    "lattice": ("lattice", "quantization"),
    "seed": ("seed",),
    "eps": ("eps",),
}
"""Options of the command line, with the names that they have in the code."""
COMMANDS = tuple(f"evaluation/{name}.py" for name in ("audit", "attack", "universal", "train", "subject"))
PARTS = ("cli", "options.py", "specs", *COMMANDS)
"""Where an option is declared and handed on; further down it is a parameter of the method itself."""
KINDS = {
    "threat flow": r"\bflow\b|\bFlow\b",
    "threat pixels": r"\"pixels\"|\bPixels\b",
    "attack deepfool": r"\bDeepFool\b|\bdeepfool\b",
    "source parquet": r"\bparquet\b",
    "study jsma-hardness": r"jsma.hardness",
}
"""One of each kind, and the pattern of its names."""


def frames(src: Path) -> list[str]:
    """The functions from `brittle.run` to the network's forward pass."""
    code = FRAMES.replace("SRC", repr(str(src)))
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def places(tree: ast.AST, names: tuple[str, ...]) -> Iterator[int]:
    """The lines that name an option as parameter, keyword, field, variable or text; docstrings are left out."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name) | ast.Constant(value=name) if name in names:
                yield node.lineno
            case ast.keyword(arg=name) if name in names:
                yield node.value.lineno
            case ast.Attribute(attr=name) if name in names:
                yield node.lineno
            case _:
                pass


def main(src: Path) -> None:
    files = {path.relative_to(src / "brittle").as_posix(): path.read_text() for path in (src / "brittle").rglob("*.py")}
    way = frames(src)
    print(f"frames from brittle.run to the module: {len(way)}: {' > '.join(way)}")
    doors = {name: ast.parse(text) for name, text in files.items() if name.startswith(PARTS)}
    for option, names in OPTIONS.items():
        count = {name: len(set(places(tree, names))) for name, tree in doors.items()}
        said = {name: number for name, number in count.items() if number}
        print(f"lines that name the option {option}: {sum(said.values())} in {len(said)} files")
    for kind, pattern in KINDS.items():
        found = [name for name, text in files.items() if re.search(pattern, text)]
        print(f"files that name the {kind}: {len(found)}")
    lengths = sorted(len(text.splitlines()) for text in files.values())
    print(f"files {len(files)}, median lines {lengths[len(lengths) // 2]}, most {lengths[-1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "src").resolve())
