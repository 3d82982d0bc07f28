"""`audit_defence`: a defended network, attacked as if nobody knew of the defence, and by who does."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from brittle.arguments import checked
from brittle.base.seeds import reseed
from brittle.classifiers.frozen import preserving_state
from brittle.errors import InputError
from brittle.evaluation.audit import audit
from brittle.evaluation.defended import Defended
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.subject import open_subject
from brittle.pictures import picture_of, save_picture
from brittle.remote import at
from brittle.runs.defence import ADAPTIVE, NAIVE, PICTURES, STAGES, DefenceFolder
from brittle.runs.schema import pixels_in
from brittle.runs.store import RunFolder
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question

SHOWN = 6
"""Images whose pictures are kept."""


@checked
def audit_defence(
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    question: Question | None = None,
    effort: Effort | None = None,
    watch: Progress | None = None,
    **options: Any,
) -> DefenceFolder:
    """Audit a defended network twice: naively, as a careless evaluation would, and adaptively.

    The attacks are the same in both. The naive audit goes through the gradients that the defended network gives by
    itself, and looks once at what is random; the adaptive one uses what the defence's `adaptive` returns.

    Args:
        model: as of `audit`; with `defence`, or a `ModelSpec` that has one.
        data: as of `audit`.
        out: the folder, or its address: `naive` and `adaptive` are run folders, `pictures` shows what the network sees.
        question: as of `audit`.
        effort: as of `audit`.
        watch: who is told of the progress.
        **options: everything else as of `audit`: `defence`, `defence_data`, `attacks`, `eps`, `max_images`, ...

    Raises:
        InputError: no defence is named.
        BrittleError: as of `audit`.

    Example:
        >>> import tempfile
        >>> asked = {"defence": "bit-depth:bits=2", "attacks": ["fgsm"], "eps": 0.1, "max_images": 20}
        >>> both = audit_defence("digits-lenet", "digits", tempfile.mkdtemp(), **asked)
        >>> both.naive.manifest.network.attacked
        'naively'
    """
    own = ("attacks", "thorough", "force", "command", "engine")
    about = {name: options.pop(name) for name in own if name in options}
    asked, watch = Asked.of(model, data, question, effort, options), watch or NullProgress()
    if asked.model.defence is None:
        raise InputError("no defence is named; say which, such as defence='jpeg:quality=75' or --defence jpeg")
    opened = open_subject(asked.model, asked.data, device=asked.effort.device)
    defended = cast("Defended", opened.defended)
    ready = replace(asked.model, defence=defended.defence, defence_data=None)  # made ready once for both
    runs: list[RunFolder] = []
    with at(out) as place:
        for name, naive in ((NAIVE, True), (ADAPTIVE, False)):
            watch.note("the defence is not known:" if naive else "the defence is known:")
            subject = replace(ready, naive=naive)
            effort = replace(asked.effort, eot_samples=1) if naive else asked.effort
            given: dict[str, Any] = {"question": asked.question, "effort": effort, "watch": watch, **about}
            runs.append(audit(subject, asked.data, place.path / name, **given))
        folder = DefenceFolder(place.path, *runs)
        _keep_pictures(folder, defended, asked.effort.seed or 0)
        for one in (folder, *runs):
            place.keep_for(one)
    return folder


def _keep_pictures(folder: DefenceFolder, defended: Defended, seed: int) -> None:
    """Save what the network sees of the images that were broken by the smallest changes, and of what broke them."""
    for index, original, adversarial in _broken(folder.adaptive)[:SHOWN]:
        both = torch.stack([original, adversarial])
        with preserving_state(defended.classifier.module):
            reseed(seed, both.device)
            seen = defended.defence.shown(defended.inner, both)
        for stage, one in zip(STAGES, (original, seen[0], adversarial, seen[1]), strict=True):
            save_picture(picture_of(np.asarray(one, np.float64)), folder.path / PICTURES / f"{index:06d}-{stage}.png")


def _broken(run: RunFolder) -> list[tuple[int, Tensor, Tensor]]:
    """Number, image and adversarial image of those of an audit that have pictures, smallest change first."""
    rows: dict[int, tuple[float, Tensor, Tensor]] = {}
    bounds = run.manifest.network.bounds
    for attack in run.manifest.attacks:
        for block in run.blocks(attack.key):
            for row in run.part(attack.key, block, None).to_pylist():
                kept = row["original"] is not None and row["adversarial"] is not None and row["success"]
                if kept and row["size"] < rows.get(row["index"], (float("inf"),))[0]:
                    before, after = (_scaled(row, name, bounds) for name in STAGES[::2])
                    rows[row["index"]] = row["size"], before, after
    return [(index, before, after) for index, (_, before, after) in sorted(rows.items(), key=lambda one: one[1][0])]


def _scaled(row: dict[str, Any], name: str, bounds: tuple[float, float]) -> Tensor:
    return (torch.from_numpy(pixels_in(row, name)).float() - bounds[0]) / (bounds[1] - bounds[0])
