"""What the folder of a substitute says of oracle, images, rounds and attacks."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from brittle.evaluation.provenance import data_info
from brittle.evaluation.substitute_images import content_of
from brittle.evaluation.substitute_lesson import Lesson
from brittle.models import digest_of
from brittle.models.network import parameters_of
from brittle.names import in_shell
from brittle.runs.manifest_info import CodeInfo, NetworkInfo, said_of_images
from brittle.runs.result_manifests import SubstituteManifest
from brittle.runs.surroundings import machine, now, versions_of
from brittle.training.identity import identity_of


def manifest_of(lesson: Lesson, first: nn.Module, command: Sequence[str]) -> SubstituteManifest:
    """Return what the folder will say.

    Args:
        lesson: what is asked.
        first: the substitute before the first round.
        command: what the user typed.
    """
    nothing_yet = torch.zeros(len(lesson.seeds.images), dtype=torch.int64)
    stated = json.loads(identity_of(first, lesson.seeds.images, nothing_yet, lesson.recipe.training, None))
    return SubstituteManifest(
        created=now(),
        command=list(command),
        seed=lesson.seed,
        device=lesson.device,
        machine=machine(),
        versions=versions_of(),
        code=CodeInfo(brittle=stated["brittle's code"], yours=stated["your code"]),
        network=NetworkInfo(
            spec=lesson.design.name,
            digest=digest_of(first),
            parameters=parameters_of(first),
            input_shape=lesson.design.input_shape,
            bounds=(0.0, 1.0),
            tensors=stated["tensors that are no weights"],
        ),
        oracle=lesson.asked.network.spec,
        answers=lesson.asked.name,
        data=data_info(lesson.seeds.source),
        content=content_of(lesson.seeds.images),
        test=data_info(lesson.unseen.source),
        test_content=content_of(lesson.unseen.images),
        settings=lesson.recipe.plain() | {"each_round": lesson.each_round},
        attacks=[f"{one.attack!r} within {one.threat!r}" for one in lesson.planned],
    )


def story_of(lesson: Lesson, command: Sequence[str], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `substitute.json` tells.

    Args:
        lesson: what was asked.
        command: what the user typed.
        figures: what was measured.
    """
    seeds, unseen = lesson.seeds, lesson.unseen
    said = [
        f"{name}: {sentence}"
        for name, source in (("seed images", seeds.source), ("test images", unseen.source))
        for sentence in said_of_images(len(source), source.conversions(), source.skipped, source.remarks)
    ]
    return {
        "architecture": lesson.design.name,
        "oracle": lesson.asked.network.spec,
        "command": in_shell(command),
        **figures,
        "budget": lesson.budget,
        "settings": lesson.recipe.plain() | {"seed": lesson.seed},
        "data": {
            "train": seeds.source.spec,
            "seeds": len(seeds.images),
            "test": unseen.source.spec,
            "test_images": len(unseen.images),
            **({"said": said} if said else {}),
        },
        "versions": versions_of(),
    }
