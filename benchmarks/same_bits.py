"""Run every attack on small networks, write down checksums of the results, and compare two such files.

    PYTHONPATH=OLDER/src python -m benchmarks.same_bits run before.jsonl
    PYTHONPATH=src python -m benchmarks.same_bits run after.jsonl
    python -m benchmarks.same_bits compare before.jsonl after.jsonl --expected expected.txt

Compare files of one machine and one torch: the last bits of a convolution depend on both. What brittle refuses has no
line; where one version refuses what the other does, the line is only in one file. That all is the same shows that the
arithmetic on the attacks' usual ways is; a tolerance that decides nothing in these small runs may differ unseen.
"""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import brittle
from benchmarks.setups import THREATS, Setup, attack_of, setups, specs

Line = dict[str, Any]


def digest(values: Tensor) -> str:
    """Return the sha256 of a tensor's type, shape and bytes."""
    whole = f"{values.dtype} {tuple(values.shape)} ".encode() + values.detach().contiguous().numpy().tobytes()
    return hashlib.sha256(whole).hexdigest()


def told(setup: Setup, attack: Any, threat: Any) -> Line:
    """Run an attack and return what is compared: checksums, passes, and the mean size of what was broken.

    Raises:
        BrittleError: the attack has no answer for such a threat or network.
    """
    if isinstance(attack, brittle.UniversalAttack):
        some = brittle.ImageSet(setup.classifier, setup.images())
        problem = brittle.UniversalProblem(setup.classifier, setup.shape, threat, some)
        return {"perturbation": digest(brittle.find_universal(attack, problem).tensor)}
    attack.check(threat)
    result = brittle.run(attack, setup.classifier, setup.images(), threat=threat, **setup.options)
    fields = () if result.field is None else ("field",)
    broken = result.size[result.success]
    return {
        **{name: digest(getattr(result, name)) for name in ("adversarial", "success", "size", "margin", *fields)},
        **{name: getattr(result, name).tolist() for name in ("forward", "backward")},
        "mean size": float(broken.mean()) if len(broken) else None,
    }


def lines(only: str) -> Iterator[Line]:
    """Run every attack for every network and threat, and yield one line for each that is not refused."""
    torch.manual_seed(0)
    for (name, setup), spec, (norm, threat) in product(setups().items(), specs(), THREATS.items()):
        line = {"network": name, "attack": spec, "threat": norm}
        if setup.bounded not in (None, threat.bounded) or not fnmatchcase(key_of(line), only):
            continue
        attack = attack_of(spec)
        if isinstance(attack, brittle.UniversalAttack) and (setup.options or not isinstance(threat, brittle.Lp)):
            continue
        began = time.process_time()
        try:
            line |= told(setup, attack, threat)
        except brittle.BrittleError:
            continue
        except Exception as error:
            line["error"] = f"{type(error).__name__}: {error}"
        yield {**line, "seconds": round(time.process_time() - began, 4)}


def key_of(line: Line) -> str:
    """Return what a line is of, as the patterns of the command line name it."""
    return " | ".join(line[part] for part in ("network", "attack", "threat"))


def write(out: Path, only: str, *, seconds: bool) -> int:
    """Write a line of JSON for each result, and return the exit status."""
    torch.set_num_threads(1)
    written = 0
    if seconds:
        next(lines("*| pgd*"), None)  # what is imported at the first use is no attack's time
    with out.open("w", encoding="utf-8") as file:
        for line in lines(only):
            took = line.pop("seconds")
            file.write(json.dumps({**line, "seconds": took} if seconds else line) + "\n")
            written += 1
    print(f"{written} lines from {brittle.__file__} with torch {torch.__version__}")
    return int(written == 0)


def read(path: Path) -> dict[str, Line]:
    """Return the lines of a file by their keys."""
    return {key_of(line): line for line in map(json.loads, path.read_text("utf-8").splitlines())}


def difference(old: Line | None, new: Line | None) -> str:
    """Say in what two lines differ, with values that a human can read; nothing where they are the same."""
    if old is None or new is None:
        return "only after" if old is None else "only before"
    names = [name for name in {**old, **new} if name != "seconds" and old.get(name) != new.get(name)]
    values = [f"{name} {old.get(name)} -> {new.get(name)}" for name in names if len(str(old.get(name))) != 64]
    return "; ".join([", ".join(names), *values]) if names else ""


def compare(before: Path, after: Path, expected: Path | None) -> int:
    """Print what differs between two files, and return the exit status: 1 where a difference is not expected.

    Args:
        before: as `write` has made it.
        after: likewise.
        expected: a file with a pattern of keys on each line; what follows a # is a comment.
    """
    old, new, seen = read(before), read(after), Counter[str]()
    said = expected.read_text("utf-8").splitlines() if expected else []
    hits = {pattern: 0 for line in said if (pattern := line.partition("#")[0].strip())}
    for key in dict.fromkeys([*old, *new]):
        what = difference(old.get(key), new.get(key))
        fitting = [pattern for pattern in hits if what and fnmatchcase(key, pattern)]
        hits |= {pattern: hits[pattern] + 1 for pattern in fitting}
        seen["same" if not what else "different" if key in old and key in new else what] += 1
        seen["not expected"] += bool(what and not fitting)
        if what:
            print(f"{'expected: ' if fitting else ''}{key}: {what}")
    for pattern in (pattern for pattern, count in hits.items() if not count):
        print(f"expected, but nothing of it differs: {pattern}")
    counts = ("same", "different", "only before", "only after", "not expected")
    print(f"compared {len({*old, *new})}: " + ", ".join(f"{name} {seen[name]}" for name in counts))
    print_seconds(old, new)
    return int(seen["not expected"] > 0)


def print_seconds(old: dict[str, Line], new: dict[str, Line]) -> None:
    """Print how long each attack takes by the two files, where both say it."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for key in old.keys() & new.keys():
        for name in ("all", old[key]["attack"]) if "seconds" in old[key] and "seconds" in new[key] else ():
            sums[name] = [total + lines[key]["seconds"] for total, lines in zip(sums[name], (old, new), strict=True)]
    for name, (earlier, later) in sorted(sums.items(), key=lambda item: item[1][1] / item[1][0]):
        print(f"x {later / earlier:.2f}: {earlier:.2f} s -> {later:.2f} s, {name}")


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    run = modes.add_parser("run", help="write the checksums of this brittle")
    run.add_argument("out", type=Path)
    run.add_argument("--only", default="*", metavar="PATTERN", help="of 'NETWORK | ATTACK | THREAT', such as '*| fab*'")
    run.add_argument("--seconds", action="store_true", help="write down the seconds of the processor, too")
    pair = modes.add_parser("compare", help="print what differs; status 1 if a difference is not expected")
    pair.add_argument("before", type=Path)
    pair.add_argument("after", type=Path)
    pair.add_argument("--expected", type=Path, metavar="FILE", help="a pattern as for --only on each line, # comments")
    asked = parser.parse_args()
    if asked.mode == "run":
        return write(asked.out, asked.only, seconds=asked.seconds)
    return compare(asked.before, asked.after, asked.expected)


if __name__ == "__main__":
    sys.exit(main())
