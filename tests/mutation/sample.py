"""Draw mutants of the sources: one change each, by the operators of mutmut.

mutmut's own runner leaves out decorated functions and whatever stands outside functions, such as the settings of an
attack; here both are changed too. Left out: annotations, decorators, imports, docstrings, what only a type checker
reads, what stands in a `raise` (messages), and of mutmut's three changes of a string all but the first.

    python tests/mutation/sample.py --count 300 --seed 1 --out .cache/mutation/sample.json src/brittle/core
"""

import argparse
import json
import random
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import libcst
from libcst import matchers
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

LEFT_OUT = (libcst.Annotation, libcst.Decorator, libcst.Import, libcst.ImportFrom, libcst.Raise, libcst.TypeAlias)
CHECKED_ONLY = matchers.If(test=matchers.Name("TYPE_CHECKING"))
NO_MUTANT = matchers.Call(func=matchers.Name("cast") | matchers.Name("ClassVar") | matchers.Name("TypeVar"))


class Places(libcst.CSTVisitor):
    """Every place of a module that can be changed, with what it becomes."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self):
        super().__init__()
        self.found: list[tuple[libcst.CSTNode, libcst.CSTNode, str]] = []

    def on_visit(self, node: libcst.CSTNode) -> bool:
        if isinstance(node, LEFT_OUT) or matchers.matches(node, CHECKED_ONLY | NO_MUTANT):
            return False
        if isinstance(node, libcst.Expr) and isinstance(node.value, libcst.BaseString):
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                changes = list(operator(node))
                for changed in changes[:1] if operator is operator_string else changes:
                    self.found.append((node, changed, operator.__name__.removeprefix("operator_")))
        return True


def mutants(
    path: Path,
) -> Iterator[tuple[MetadataWrapper, tuple[libcst.CSTNode, libcst.CSTNode, str], tuple[int, int]]]:
    """Yield every mutant of one file, with the first and last line of what is changed."""
    whole = MetadataWrapper(libcst.parse_module(path.read_text()))
    places = Places()
    whole.visit(places)
    positions = whole.resolve(PositionProvider)
    for found in places.found:
        node = found[0]
        while node not in positions:
            node = places.get_metadata(ParentNodeProvider, node)
        yield whole, found, (positions[node].start.line, positions[node].end.line)


def drawn(paths: list[Path], count: int, seed: int) -> tuple[int, list[dict[str, object]]]:
    """Return how many mutants there are, and `count` of them at random: their sources, lines and kinds."""
    files = sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py")))
    every = [(file, *mutant) for file in files for mutant in mutants(file)]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    rows = []
    for file, whole, (node, changed, kind), (first, last) in chosen:
        source = whole.module.deep_replace(node, changed).code
        try:
            compile(source, str(file), "exec")
        except SyntaxError:
            continue
        rows.append({"file": str(file), "first": first, "last": last, "kind": kind, "source": source})
    return len(every), rows


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("paths", nargs="+", type=Path, help="files or folders of sources")
    words.add_argument("--count", type=int, default=300, help="how many mutants are drawn")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=Path(".cache/mutation/sample.json"))
    given = words.parse_args()
    total, rows = drawn(given.paths, given.count, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"mutmut": version("mutmut"), "seed": given.seed, "of": total, "mutants": rows}))
    print(f"{len(rows)} of {total} mutants, seed {given.seed}, in {given.out}")
