"""Changes made for some networks, shown to others: how far an attack reaches that knows only a stand-in."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
import torch

from brittle.arguments import Count, Seed, Within, checked
from brittle.classifiers.asked import said_of
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.ensemble import ensemble
from brittle.core.attack import Attack
from brittle.core.goal import ALL_THE_WAY
from brittle.core.inputs import check_range_of_labels
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import InputError
from brittle.maths.losses import mistaken
from brittle.metrics import Estimate, transfer_rate
from brittle.threats import Threat
from brittle.types import Images, Labels, Logits, Mask

Source = Classifier | Sequence[Classifier]
"""A network, or several of which the mean of the logits is attacked."""


@dataclass(frozen=True)
class Transfer:
    """What changes made for some networks do to others.

    Attributes:
        rates: by source, then by target: how many images break the target, of those that both get right; a pair that
            gets no image right has none.
        results: by source, what `run` returned: the changed images, and what the source itself makes of them.
    """

    rates: Mapping[str, Mapping[str, Estimate]]
    results: Mapping[str, Result]

    def table(self) -> pa.Table:
        """Return a row for each pair, with the interval and the number of images."""
        rows = [
            {"source": source, "target": target, "rate": one.value, "low": one.low, "high": one.high, "images": one.n}
            for source, of_source in self.rates.items()
            for target, one in of_source.items()
        ]
        return pa.Table.from_pylist(rows)


@checked
def transfer_matrix(  # noqa: PLR0913  # the public call: each of these is a question of its own
    attack: Attack,
    sources: Mapping[str, Source],
    targets: Mapping[str, Classifier],
    images: Images,
    labels: Labels | None = None,
    *,
    threat: Threat,
    seed: Seed = 0,
    batch: Count = 64,
    confidence: Annotated[float, Within(0)] = ALL_THE_WAY,
    progress: Callable[[str, int], None] | None = None,
) -> Transfer:
    """Attack some networks, and show others what came out.

    A change that barely breaks its own network breaks few others, so an attack goes on to its last step by default and
    ends with the point of the largest margin (`confidence`). Attacks that search for the smallest change have no use
    for that: give 0, or the margin that they are to reach.

    Args:
        attack: the method, such as `BasicIterative(steps=10, step_size=1.6 / 255, momentum=1)`.
        sources: what is attacked, by name; several networks together are attacked by the mean of their logits.
        targets: what is shown the changed images, by name. Networks of another input size: `at_size`.
        images: (n, c, h, w), within the bounds of all of them.
        labels: (n,) true classes; by default the class that each network gives the clean image counts as its right one.
        threat: how changes are measured and how large they may be.
        seed: of the random draws.
        batch: most images in one forward pass.
        confidence: by how many logits a change is to break its source while it is searched for, see `run`.
        progress: told the source and the number of images finished.

    Raises:
        InputError: no sources or targets, no image that any two of them get right, or as `run`.

    Example:
        >>> from brittle import FGSM, Lp
        >>> nets = [Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))) for _ in range(2)]
        >>> targets = {"one": nets[0], "two": nets[1]}
        >>> found = transfer_matrix(FGSM(), {"one": nets[0]}, targets, torch.rand(8, 1, 2, 2), threat=Lp("inf", 1))
        >>> found.table().num_rows
        2
    """
    for name, given in (("sources", sources), ("targets", targets), ("images", images)):
        if not len(given):
            raise InputError(f"there are no {name}; expected at least one")
    attacked = {name: one if isinstance(one, Classifier) else ensemble(one) for name, one in sources.items()}
    clean = {name: said_of(target, images, batch, checked=False) for name, target in targets.items()}
    counts = {name: said_of(one, images[:1], 1, checked=False).shape[1] for name, one in attacked.items()}
    _check_classes(counts | {name: one.shape[1] for name, one in clean.items()}, labels)
    known = {name: _right(logits, labels) for name, logits in clean.items()}
    rates: dict[str, dict[str, Estimate]] = {}
    results: dict[str, Result] = {}
    for name, source in attacked.items():
        tell = None if progress is None else lambda count, name=name: progress(name, count)
        asked: dict[str, Any] = {"threat": threat, "seed": seed, "batch": batch, "confidence": confidence}
        result = results[name] = run(attack, source, images, labels, progress=tell, **asked)
        right = ~result.already.cpu()
        rates[name] = {}
        for other, target in targets.items():
            before, wanted = known[other]
            broken = mistaken(said_of(target, result.adversarial, batch, checked=False), wanted)
            if (right & before).any():
                rates[name][other] = transfer_rate(right.numpy(), before.numpy(), broken.numpy())
    if not any(rates.values()):
        raise InputError(
            f"there is none of {len(images)} images that a source and a target get right; look at the labels, and at "
            "what the networks say of the images"
        )
    return Transfer(rates, results)


def _check_classes(counts: Mapping[str, int], labels: Labels | None) -> None:
    """Refuse networks of different numbers of classes, and labels that are none of theirs."""
    fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[fewest] != counts[most]:
        raise InputError(
            f"{fewest} has {counts[fewest]} classes and {most} {counts[most]}, so their numbers cannot mean the same; "
            "expected networks of the same classes"
        )
    if labels is not None:
        check_range_of_labels(labels, counts[most])


def _right(logits: Logits, labels: Labels | None) -> tuple[Mask, Labels]:
    """Return which clean images a network gets right, and what is right; what has no finite output is never right."""
    wanted = logits.argmax(1) if labels is None else labels.cpu()
    return (logits.argmax(1) == wanted) & torch.isfinite(logits).all(1), wanted
