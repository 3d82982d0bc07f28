"""Losses of logits, one number per image; every one grows as the image gets farther from its label."""

import torch
from torch.nn import functional

from brittle.types import Labels, Logits, Mask, PerImage


def others(logits: Logits, labels: Labels) -> Logits:
    """Return the logits (n, k) with the label's own at -inf, which leaves the other classes to be ordered or summed.

    Example:
        >>> others(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1]))
        tensor([[1., -inf, 2.]])
    """
    return logits.scatter(1, labels[:, None], -torch.inf)


def decided(logits: Logits) -> tuple[PerImage, Labels]:
    """Return the confidence in the predicted class, its softmax value, and the class, which the logits alone decide.

    Logits that differ may have equal softmax values, of which the first would be taken.

    Example:
        >>> decided(torch.tensor([[0.0, 1e-9]]))
        (tensor([0.5000]), tensor([1]))
    """
    prediction = logits.argmax(1)
    return logits.softmax(1).gather(1, prediction[:, None])[:, 0], prediction


def mistaken(logits: Logits, labels: Labels | int) -> Mask:
    """Say which outputs name another class; where one is NaN or infinite, the point is no example of anything.

    Example:
        >>> mistaken(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, torch.nan]]), 0)
        tensor([ True, False, False])
    """
    return (logits.argmax(1) != labels) & torch.isfinite(logits).all(1)


def logit_margin(logits: Logits, labels: Labels) -> PerImage:
    """Measure by how much the label's logit leads the best other one.

    Args:
        logits: (n, k), k at least 2.
        labels: (n,).

    Returns:
        Z_label - max over the others, (n,); negative where another class leads.

    Example:
        >>> logit_margin(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1]))
        tensor([2.])
    """
    return logits.gather(1, labels[:, None])[:, 0] - others(logits, labels).amax(1)


def cross_entropy(logits: Logits, labels: Labels) -> PerImage:
    """Measure -log softmax(logits)[label] for each image."""
    return functional.cross_entropy(logits, labels, reduction="none")


def divergence(clean: Logits, logits: Logits) -> PerImage:
    """Return the Kullback-Leibler divergence of what logits say from what the clean ones say, in nats, (n,).

    KL(softmax(clean) || softmax(logits)), which Zhang et al., ICML 2019, equation 5, climb (arXiv:1901.08573).

    Example:
        >>> divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
        tensor([0.])
    """
    said = clean.log_softmax(1)
    return (said.exp() * (said - logits.log_softmax(1))).sum(1)


def difference_of_logits_ratio(logits: Logits, labels: Labels) -> PerImage:
    """Measure the DLR loss (Croce & Hein, ICML 2020, equation 6), which does not change when the logits are scaled.

    -(Z_y - max_{i != y} Z_i) / (Z_(1) - Z_(3)), with Z_(i) the i-th largest logit; k must be at least 3.
    """
    largest = logits.topk(3, dim=1).values
    return -logit_margin(logits, labels) / (largest[:, 0] - largest[:, 2] + 1e-12)


def targeted_difference_of_logits_ratio(logits: Logits, labels: Labels, targets: Labels) -> PerImage:
    """Measure the targeted DLR loss (Croce & Hein, ICML 2020, equation 7); k must be at least 4.

    -(Z_y - Z_t) / (Z_(1) - (Z_(3) + Z_(4)) / 2).
    """
    largest = logits.topk(4, dim=1).values
    gap = logits.gather(1, labels[:, None])[:, 0] - logits.gather(1, targets[:, None])[:, 0]
    return -gap / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + 1e-12)


def smooth_margin(logits: Logits, labels: Labels, temperature: PerImage) -> PerImage:
    """Measure by how much the label's logit leads a smooth maximum of the others.

    Args:
        logits: (n, k).
        labels: (n,).
        temperature: (n,), in logits; near 0 this is `logit_margin`, far above all differences the lead over the mean.

    Returns:
        Z_label - T log mean exp(Z_other / T) up to a constant T log(k - 1), (n,).

    Example:
        >>> smooth_margin(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1]), torch.tensor([1e-6]))
        tensor([2.])
    """
    info = torch.finfo(logits.dtype)
    heat = torch.maximum(temperature, (info.eps * logits.detach().abs().amax(1)).clamp_min(info.tiny))
    smooth = heat * torch.logsumexp(others(logits, labels) / heat[:, None], 1)
    return logits.gather(1, labels[:, None])[:, 0] - smooth
