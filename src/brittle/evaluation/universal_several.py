"""Several perturbations at once: how many images the first k of them fool, and how many one chosen for each image."""

from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray

from brittle.evaluation.universal_split import Split
from brittle.metrics import Estimate, proportion
from brittle.universal.images import ImageSet
from brittle.universal.perturbation import Perturbation

STRENGTH = 0.01
"""Inverse strength of the selector's regularisation: a few hundred images have up to a thousand logits each."""


def several_rates(found: Perturbation, split: Split) -> dict[str, object]:
    """Return both figures as JSON can hold them."""
    chosen = by_choice(found, split)
    counted = by_count(found, split.held_out or split.training)
    return {"by_count": [asdict(one) for one in counted], "by_choice": None if chosen is None else asdict(chosen)}


def by_count(found: Perturbation, images: ImageSet) -> list[Estimate]:
    """Return the fraction of images that at least one of the first k perturbations fools, for k = 1, 2, ...

    This is what an attacker reaches who may show the network an image k times.
    """
    fooled = _fooled(found, images)
    reached = np.logical_or.accumulate(fooled, axis=0)
    return [proportion(int(some.sum()), len(some)) for some in reached]


def by_choice(found: Perturbation, split: Split) -> Estimate | None:
    """Return the fraction of the images kept aside that are fooled by one perturbation, chosen for each image.

    The choice is by what the network says of the clean image: for each perturbation, a logistic regression on the
    logits, fitted on X, says how likely it is that it fools; the likeliest one is shown. None where nothing is kept
    aside: on X itself the choice would be known by heart.
    """
    if split.held_out is None:
        return None
    known, features = _fooled(found, split.training), _features(split.training)
    unseen, chances = _fooled(found, split.held_out), np.zeros((len(known), len(split.held_out)))
    rows = _features(split.held_out)
    for place, hits in enumerate(known):
        chances[place] = _chances(features, hits, rows)
    chosen = chances.argmax(0)
    return proportion(int(unseen[chosen, np.arange(len(chosen))].sum()), len(chosen))


def _chances(features: NDArray[np.float32], hits: NDArray[np.bool_], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say how likely each of some images is fooled, by those of which it is known."""
    if hits.all() or not hits.any():
        return np.full(len(rows), float(hits[0]))
    from sklearn.linear_model import LogisticRegression  # takes as long to import as torch
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000)).fit(features, hits)
    return model.predict_proba(rows)[:, 1]


def _fooled(found: Perturbation, images: ImageSet) -> NDArray[np.bool_]:
    return torch.stack([images.fooled(one.tensor) for one in found.every]).numpy()


def _features(images: ImageSet) -> NDArray[np.float32]:
    return images.clean_logits[:].flatten(1).numpy()
