"""What few-pixel attacks did, drawn: from which class to which, how many classes an image reaches, and where."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from brittle.studies.bench.drawing import Curves, Drawing, HeatMap, Picture, encoded
from brittle.types import Images, Labels

SHOWN, ABREAST = 15, 5
"""Most images on the sheet of examples, as many as in the paper's figure of them, and how many stand side by side."""


def drawings(
    title: str,
    names: Sequence[str],
    images: Images,
    labels: Labels,
    targets: Tensor,
    reached: np.ndarray,
    adversarial: Images,
) -> tuple[Drawing, ...]:
    """Draw what attacks of every image towards every other class gave.

    Args:
        title: the network.
        names: of the classes.
        images: (n, c, h, w).
        labels: (n,).
        targets: (n, k - 1), the classes aimed at.
        reached: (n, k - 1), whether the attack succeeded.
        adversarial: (n (k - 1), c, h, w), what it gave, pair by pair.
    """
    found = (_pairs(title, names, labels, targets, reached), _classes(title, reached))
    if not reached.any():
        return found
    owners, columns = (torch.from_numpy(places) for places in reached.nonzero())
    changed = adversarial.cpu()[owners * targets.shape[1] + columns]
    positions = (changed != images[owners]).any(1)
    shown = _shown(owners)
    told = [
        f"{names[int(labels[owners[pair]])]} as {names[int(targets[owners[pair], columns[pair]])]}" for pair in shown
    ]
    return *found, _map(title, positions), _examples(title, images[owners[shown]], changed[shown], told)


def _shown(owners: Tensor) -> Tensor:
    """Choose the successes that are shown: one of each image, and then more of them where there are few images."""
    first = torch.from_numpy(np.unique(owners.numpy(), return_index=True)[1])
    others = torch.arange(len(owners))[~torch.isin(torch.arange(len(owners)), first)]
    return torch.cat([first, others])[:SHOWN].sort().values


def _pairs(title: str, names: Sequence[str], labels: Labels, targets: Tensor, reached: np.ndarray) -> HeatMap:
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (labels[:, None].expand_as(targets).numpy()[reached], targets.numpy()[reached]), 1)
    attacked = np.bincount(labels.numpy(), minlength=len(names))
    values = [
        [None if row == column or not attacked[row] else float(counts[row, column]) for column in range(len(names))]
        for row in range(len(names))
    ]
    return HeatMap(
        f"{title}: from which class to which",
        "How many images of the class on the left were led to the class above by one pixel; "
        "empty rows are classes of which no image was attacked.",
        names,
        names,
        values,
        row_axis="original class",
        column_axis="target class",
    )


def _classes(title: str, reached: np.ndarray) -> Curves:
    count = np.bincount(reached.sum(axis=1), minlength=reached.shape[1] + 1) / len(reached)
    x = tuple(float(number) for number in range(len(count)))
    return Curves(
        f"{title}: how many classes an image can be led to",
        f"The fraction of the {len(reached)} images that one pixel takes to so many of the other classes.",
        "target classes reached",
        "fraction of images",
        {"one pixel": (x, tuple(float(fraction) for fraction in count))},
    )


def _map(title: str, positions: Tensor) -> Picture:
    counts = positions.sum(0).double()
    pixels = (counts / counts.max()).numpy()
    return Picture(
        f"{title}: where the pixels are",
        f"The positions of the changed pixels of {len(positions)} successes; the brighter, the more often.",
        encoded(pixels, 8),
        f"A map of {pixels.shape[0]} by {pixels.shape[1]} positions; the most frequent was changed "
        f"{int(counts.max())} times.",
    )


def _examples(title: str, images: Images, changed: Images, told: Sequence[str]) -> Picture:
    rows = [_strip(part) for pair in zip(images.split(ABREAST), changed.split(ABREAST), strict=True) for part in pair]
    widest = max(row.shape[2] for row in rows)
    rows = [torch.nn.functional.pad(row, (0, widest - row.shape[2]), value=1.0) for row in rows]
    sheet = torch.cat(rows, 1).permute(1, 2, 0)
    pixels = (sheet if sheet.shape[2] == 3 else sheet[:, :, 0]).float().numpy()
    return Picture(
        f"{title}: images that one pixel breaks",
        f"Each as it is, and below it with the pixel changed; from left to right, the network takes {', '.join(told)}.",
        encoded(pixels, 3),
        f"{len(told)} images, each above itself with one pixel changed: {', '.join(told)}.",
    )


def _strip(images: Images) -> Tensor:
    """Lay images side by side, with a white edge around each."""
    return torch.cat(list(torch.nn.functional.pad(images, (1, 1, 1, 1), value=1.0)), 2)
