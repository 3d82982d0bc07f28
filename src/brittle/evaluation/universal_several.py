"""Several perturbations at once: how many images the first k of them fool, and how many one chosen for each image."""

import numpy as np
from numpy.typing import NDArray

from brittle.evaluation.universal_split import Split
from brittle.metrics import Estimate, proportion
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.perturbation import Perturbation

STRENGTH = 0.01
"""Inverse strength of the selector's regularisation: a few hundred images have up to a thousand logits each."""


def several_rates(found: Perturbation, split: Split) -> tuple[list[Estimate], Estimate | None]:
    """Say what an attacker reaches who has several perturbations.

    Returns:
        The fraction of the images kept aside (of X where there are none) that at least one of the first k perturbations
        fools, for k = 1, 2, ...: who may show the network an image k times; and that one fools which is chosen for each
        image by what the network says of it clean: for each perturbation, a logistic regression on the logits, fitted
        on X, says how likely it is that it fools. None where nothing is kept aside: on X itself the choice would be
        known by heart.
    """
    perturbations = [one.tensor for one in found.every]
    fooled = split.judging.fooled_by_each(perturbations).numpy()
    by_count = [proportion(int(some.sum()), len(some)) for some in np.logical_or.accumulate(fooled, axis=0)]
    if split.held_out is None:
        return by_count, None
    known, features = split.training.fooled_by_each(perturbations).numpy(), _features(split.training)
    rows = _features(split.held_out)
    chosen = np.stack([_chances(features, hits, rows) for hits in known]).argmax(0)
    hits = fooled[chosen, np.arange(len(chosen))]
    return by_count, proportion(int(hits.sum()), len(hits))


def _chances(features: NDArray[np.float32], hits: NDArray[np.bool_], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say how likely each of some images is fooled, by those of which it is known."""
    if hits.all() or not hits.any():
        return np.full(len(rows), float(hits[0]))
    from sklearn.linear_model import LogisticRegression  # takes as long to import as torch
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000)).fit(features, hits)
    return model.predict_proba(rows)[:, 1]


def _features(images: ImageSet) -> NDArray[np.float32]:
    return images.clean_logits[:].flatten(1).numpy()
