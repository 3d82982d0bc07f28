"""One search for a universal perturbation by several seeds: the median one is returned, the others lie beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch

from brittle.arguments.rules import WORDS
from brittle.errors import InputError
from brittle.evaluation.universal_split import Split
from brittle.evaluation.universal_workers import Shared
from brittle.runs.results import UniversalFolder
from brittle.universal_attacks.perturbation import Perturbation
from brittle.universal_attacks.search import Pass, UniversalAttack, searched


@dataclass(frozen=True)
class SeedRate:
    """What one seed came to.

    Attributes:
        seed: of the search.
        rate: the fraction of the images kept aside (of X where there are none) that are fooled, or, where the method
            has a target, of those of other classes that reach it.
    """

    seed: int
    rate: float


def by_seeds(
    shared: Shared,
    split: Split,
    folder: UniversalFolder,
    seeds: int,
    watch: Callable[[Pass], None] | None = None,
    begins: Callable[[str], None] | None = None,
) -> Perturbation:
    """Make a perturbation by each of some seeds, on the same images; each goes on where it was killed.

    Published tables show the best of several runs, which nobody can repeat by one; the median run is what one may
    expect.

    Args:
        shared: how, for what, with the first seed, which the others follow, and by how many processes. The method has
            looked at the problem (`check`).
        split: the images, by which the seeds are ordered.
        folder: holds a checkpoint of each.
        seeds: how many.
        watch: called after every pass.
        begins: told which seed begins.

    Returns:
        The perturbation whose rate is the median (of an even number, the lower one), with those of the other seeds in
        `more`, and the seeds with their rates in `made`, in the order of the perturbations.
    """
    made, method = list[tuple[SeedRate, Perturbation]](), shared.method
    with shared.gathered() as problem:
        for number in range(seeds):
            seed = problem.seed + number
            if begins is not None and seeds > 1:
                begins(f"seed {seed}, {number + 1} of {seeds}")
            found = searched(
                method,
                replace(problem, seed=seed),
                checkpoint=folder.checkpoint_of(number),
                identity=folder.manifest.identity,
                watch=watch,
            )
            if seeds == 1:
                return found
            rate = split.judging.judge(method.aims_at, method.only)(found.tensor)
            made.append((SeedRate(seed, rate), found))
    made.sort(key=lambda one: one[0].rate)
    made.insert(0, made.pop((seeds - 1) // 2))
    first = made[0][1]
    others = torch.stack([found.tensor for _, found in made[1:]])
    return replace(first, more=others, made={**first.made, "seeds": [asdict(rate) for rate, _ in made]})


def check_seeds(method: UniversalAttack, split: Split, first: int, seeds: int) -> None:
    """Refuse several seeds where they cannot be meant, before anything is searched.

    Raises:
        InputError: the method makes several perturbations at once, a seed would be too large, or by the images kept
            aside no seed can be told from another.
    """
    if seeds == 1:
        return
    if method.makes > 1:
        raise InputError(
            f"the method makes {method.makes} perturbations, of which there is one set; leave out the seeds"
        )
    last, most = first + seeds - 1, 2**WORDS - 1
    if last > most:
        raise InputError(f"the seeds go from {first} to {last}; expected at most {most}")
    try:
        split.judging.judge(method.aims_at, method.only)
    except InputError as error:
        raise InputError(f"by the images kept aside no seed can be told from another: {error}") from error
