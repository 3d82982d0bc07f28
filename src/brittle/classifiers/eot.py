"""Looking at points several times, each time with fresh random numbers of a randomised network."""

import torch
from torch import Tensor

from brittle.base.seeds import Streams, reseed
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.turns import turn
from brittle.types import Images, Logits


def eot_outputs(
    classifier: Classifier, images: Images, eot_samples: int, streams: Streams, max_points: int | None = None
) -> Tensor:
    """Evaluate images several times, (eot_samples, n, k), each time with random numbers of its own for the network.

    With one draw the network goes on with the random numbers that it is at. At most `max_points` images are evaluated
    at a time; all by default.
    """
    parts = (images,) if max_points is None else images.split(max_points)
    outputs: list[Tensor] = []
    for part in parts:
        if eot_samples == 1:
            outputs.append(classifier.logits(part)[None])
            continue
        each: list[Logits] = []
        for _ in range(eot_samples):
            with turn(classifier.module, draws=True):
                reseed(streams.another_seed(), part.device)
                each.append(classifier.logits(part))
        outputs.append(torch.stack(each))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)


def mean_logits(classifier: Classifier, images: Images, eot_samples: int, *, seed: int, batch: int) -> Logits:
    """Evaluate images as `run` judges them, by the mean over the samples, a batch at a time.

    The numbers that a randomised network draws come from `seed` alone, and begin anew with every call.
    """
    streams = Streams(seed, torch.zeros(1, dtype=torch.int64), images.dtype)
    parts = images.split(max(batch // eot_samples, 1))
    return torch.cat([eot_outputs(classifier, part, eot_samples, streams).mean(0) for part in parts])
