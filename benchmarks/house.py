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
import sys, json
from dataclasses import dataclass
sys.path.insert(0, SRC)
import torch, brittle
from torch import nn
seen = []
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.layer = nn.Linear(4, 2)
    def forward(self, x):
        frame, way = sys._getframe(1), []
        while frame is not None:
            way += [frame.f_code.co_name] if frame.f_code.co_filename.startswith(SRC) else []
            frame = frame.f_back
        seen.append(way[::-1])
        return self.layer(x.flatten(1))
@dataclass(frozen=True)
class Twice(brittle.PGD):
    def step(self, problem, state, probe):
        probe.gradient(lambda logits: logits[:, 0])
        return super().step(problem, state, probe)
net, x = Net(), torch.rand(3, 1, 2, 2)
def longest(attack, draws):
    torch.manual_seed(0)
    seen.clear()
    brittle.run(attack, brittle.Classifier(net), x, threat=brittle.Lp('inf', .01), draws=draws)
    return max(seen, key=len)
repeated = [brittle.Restarts(Twice(steps=3), 2), brittle.SmallestRadius(Twice(steps=3), 2), brittle.DeepFool()]
print(json.dumps({
    'a forward pass of PGD': longest(brittle.PGD(steps=3), 1),
    'a repeated gradient': max((longest(attack, 2) for attack in repeated), key=len),
}))
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


def frames(src: Path) -> dict[str, list[str]]:
    """The functions of brittle from `brittle.run` to the network: the longest way of a pass, and of a repeated one."""
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
    for what, way in frames(src).items():
        print(f"frames from brittle.run to the module, {what}: {len(way)}: {' > '.join(way)}")
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
