"""Defensive distillation: a student learns what a teacher of its own kind says at a high temperature."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from brittle.training.epoch import Epoch
from brittle.training.fit import History
from brittle.training.named import Design, train_named
from brittle.training.outputs import device_of, logits_of
from brittle.training.recipe import PlainTraining
from brittle.types import Images, Labels

AT_ONCE = 500
"""Images a pass of the teacher."""
SEEDS = 2**63


def soft_labels(teacher: nn.Module, images: Images, temperature: float) -> Tensor:
    """Return the teacher's softmax at a temperature, (n, k) on the CPU: softmax(Z(x) / T).

    Args:
        teacher: from images to logits, in eval mode.
        images: n x c x h x w.
        temperature: T, above 0.

    Example:
        >>> soft_labels(nn.Flatten(), torch.tensor([[[[0.0, 2.0]]]]), 2.0)
        tensor([[0.2689, 0.7311]])
    """
    device = device_of(teacher)
    with torch.no_grad():
        return torch.cat(
            [(logits_of(teacher, some.to(device)) / temperature).softmax(1).cpu() for some in images.split(AT_ONCE)]
        )


def distil_named(  # noqa: PLR0913  # each of these is a question of its own
    design: Design,
    images: Images,
    labels: Labels,
    *,
    settings: PlainTraining,
    checkpoint: Path | str | None = None,
    device: str = "cpu",
    progress: Callable[[Epoch], None] | None = None,
    watch: Callable[[float], None] | None = None,
    begins: Callable[[str], None] | None = None,
) -> tuple[nn.Module, History, History]:
    """Train a teacher at the temperature of the settings, and a student on its soft labels at the same one.

    Papernot, McDaniel, Wu, Jha & Swami, IEEE Symposium on Security and Privacy 2016, section IV (arXiv:1511.04508). The
    student answers at T = 1, with its logits as they are: they have grown by about T, so that the softmax of them is 0
    or 1 in float32 and its gradient vanishes. The teacher's first weights, order and augmentation come from the next
    seed.

    Deviation: the soft labels are those of the images as they are, also where the student sees them augmented.

    Args:
        design: the architecture of both.
        images: see `train_named`.
        labels: what the teacher learns.
        settings: of both; `temperature` is T.
        checkpoint: of the student; the teacher's lies beside it, with `.teacher` behind its name.
        device: where to train.
        progress: called after every epoch, the teacher's first.
        watch: called after every step with the fraction of the epoch that is done.
        begins: told whose epochs begin, the teacher's or the student's.

    Returns:
        The student in eval mode, its history, and the teacher's.
    """
    told = begins or (lambda text: None)
    told(f"the teacher, at temperature {settings.temperature:g}")
    teacher, taught = train_named(
        *(design, images, labels),
        settings=replace(settings, seed=(settings.seed + 1) % SEEDS),
        checkpoint=None if checkpoint is None else teacher_of(checkpoint),
        device=device,
        progress=progress,
        watch=watch,
    )
    told("the student, on what the teacher says")
    student, history = train_named(
        *(design, images, labels),
        settings=settings,
        soft=soft_labels(teacher, images, settings.temperature),
        checkpoint=checkpoint,
        device=device,
        progress=progress,
        watch=watch,
    )
    return student, history, taught


def teacher_of(checkpoint: Path | str) -> Path:
    """Return where the teacher's checkpoint lies, by the student's."""
    path = Path(checkpoint)
    return path.with_name(f"{path.name}.teacher")
