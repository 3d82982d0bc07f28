"""Probabilities that are taken for logits, or the other way round, also where they were rounded."""

import math

import torch
from torch import Tensor

from brittle.errors import ModelError
from brittle.types import HALF_TYPES, Logits

EXACT = 1e-5
"""AutoAttack's tolerance (checks.py, `check_range_output`), for probabilities that nobody has rounded."""
SLACK = 1e-3
"""How far what is said to be probabilities may lie outside 0..1, and its sum from 1 where no rounding is seen."""
STEPS = (100, 255, 256, 10**3, 10**4, 65535, 65536, 10**5, 10**6)
"""Levels to which services and integer networks round: decimals, and those of 8 and 16 bits."""
CHANCE = 1e-4
"""With what probability rows of numbers in 0..1, whose sum is anything from 0.5 to 1.5, may pass as rounded."""
FEWEST = 8
"""Fewest images by which a single output that stays within 0..1 is taken for a sigmoid's."""


def seem_probabilities(logits: Logits) -> bool:
    """Say whether outputs are probabilities, by all rows that are there.

    All of them lie in 0..1 and every row sums to 1: to 1e-5 (AutoAttack's rule), or to what their rounding explains,
    which is half a unit of the last place for each class. Rows that are rounded coarsely sum to about 1 by chance more
    often, so that more of them are asked for: with a tolerance t, n different rows where (2 t)^n is at most 1e-4.

    Args:
        logits: (n, k).

    Example:
        >>> rows = torch.tensor([[2.0, 1, 0], [0, 1, 3], [1, 1, 2]]).softmax(1)
        >>> seem_probabilities(rows), seem_probabilities(rows.bfloat16()), seem_probabilities(rows.log())
        (True, True, False)
    """
    if not len(logits) or logits.shape[1] < 2:
        return False
    lowest, highest = logits.aminmax()
    if not (float(lowest) > -EXACT and float(highest) < 1 + EXACT):
        return False
    beyond = float((logits.double().sum(1) - 1).abs().amax())
    if beyond < EXACT:
        return True
    slack = explained(logits)
    if beyond > slack or slack >= 0.5:
        return False
    return len(logits.unique(dim=0)) * math.log(2 * slack) <= math.log(CHANCE)


def seem_sigmoid(outputs: Tensor) -> bool:
    """Say whether single outputs (n,) are probabilities of class 1: at least 8, all in 0..1, on both sides of 1/2.

    Example:
        >>> seem_sigmoid(torch.linspace(-4, 4, 8).sigmoid()), seem_sigmoid(torch.linspace(-4, 4, 8))
        (True, False)
    """
    if len(outputs) < FEWEST:
        return False
    lowest, highest = (float(value) for value in outputs.aminmax())
    return 0 <= lowest < 0.5 < highest <= 1


def explained(rows: Tensor) -> float:
    """Return how far the sum of a row of probabilities may be from 1 by the rounding that is seen in all of them.

    Args:
        rows: (n, k), in 0..1.

    Example:
        >>> explained(torch.tensor([[0.3333, 0.3333, 0.3333]])) == 1.5e-4
        True
    """
    values = rows.detach().double().flatten()
    slack = 0.0
    for steps in STEPS:
        levels = values * steps
        if bool(((levels - levels.round()).abs() <= 1.2e-7 * steps).all()):  # as near as float32 tells
            slack = rows.shape[1] / (2 * steps)
            break
    for kind in HALF_TYPES:
        if bool((values.to(kind).double() == values).all()):
            slack = max(slack, 2 * torch.finfo(kind).eps)
    return slack


def check_probabilities(said: object, *, binary: bool) -> None:
    """Refuse outputs that were said to be probabilities and are none; other shapes are for `Classifier.check`.

    Args:
        said: what the network returned.
        binary: it is the probability of class 1 alone.

    Raises:
        ModelError: with the first image of which they are none.
    """
    if not isinstance(said, Tensor) or (said.ndim != 2 and not binary) or not said.numel():
        return
    rows = said.detach().reshape(len(said), -1).double()
    right = ((rows >= -SLACK) & (rows <= 1 + SLACK)).all(1)
    slack = SLACK
    if not binary:
        slack = max(SLACK, explained(rows))
        right &= (rows.sum(1) - 1).abs() <= slack
    wrong = (~right).nonzero()[:, 0]
    if len(wrong):
        first = int(wrong[0])
        lowest, highest, total = (float(value) for value in (*rows[first].aminmax(), rows[first].sum()))
        expected = "a number in 0..1" if binary else f"numbers in 0..1 that sum to 1 within {slack:g}"
        raise ModelError(
            f"the network was said to return probabilities, but for {len(wrong)} of {len(rows)} images it does not: "
            f"for image {first} they reach from {lowest:.4g} to {highest:.4g} and sum to {total:.4g}; "
            f"expected {expected}; leave out probabilities=True or --probabilities if they are logits"
        )


def refuse_probabilities(logits: Logits, *, binary: bool) -> None:
    """Refuse outputs that are read as logits and look like probabilities.

    Args:
        logits: of all images that were seen, (n, k).
        binary: they are (0, z) of a single output z.

    Raises:
        ModelError: by the rules of `seem_probabilities` and `seem_sigmoid`.
    """
    count, logits = len(logits), logits.detach()
    if binary and seem_sigmoid(logits[:, 1]):
        raise ModelError(
            f"the network's single output lies in 0..1 for all of {count} images, on both sides of 1/2: it looks like "
            "the probability of class 1, after a sigmoid, and was read as a logit whose sign is the class; remove the "
            "sigmoid, or, for attacks without gradients, say Classifier(module, binary=True, probabilities=True) or "
            "--binary --probabilities; if it is a logit all the same, multiply it by 10, which changes no decision"
        )
    if not binary and seem_probabilities(logits):
        off, slack = float((logits.double().sum(1) - 1).abs().amax()), explained(logits)
        about = "1" if off < EXACT else f"1 within {off:.2g} in all of {count} rows (rounding explains {slack:.2g})"
        raise ModelError(
            f"the network's outputs lie in 0..1 and sum to {about}: they look like probabilities, and attacks "
            "need logits; remove the final softmax (its gradients vanish, which makes networks look robust "
            "that are not), or, for attacks without gradients, say Classifier(module, probabilities=True) or "
            "--probabilities"
        )
