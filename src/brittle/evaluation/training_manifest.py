"""What the manifest of a training says of network, images and settings."""

from typing import Any

from torch import nn

from brittle.data import Source
from brittle.evaluation.design_behind import said_of
from brittle.evaluation.provenance import data_info
from brittle.models import digest_of
from brittle.models.network import parameters_of
from brittle.runs.manifest_info import CodeInfo, NetworkInfo
from brittle.runs.result_manifests import TrainingManifest
from brittle.runs.surroundings import machine, now, versions_of
from brittle.training.named import Design


def manifest_of(
    design: Design, first: nn.Module, stated: dict[str, Any], source: Source, tested: Source | None, **asked: Any
) -> TrainingManifest:
    """Return what the folder will say of a training.

    Args:
        design: the architecture.
        first: the network before the training.
        stated: what determines the weights, as `identity_of` states it.
        source: the training images.
        tested: those that the accuracy is measured on.
        **asked: command and device.
    """
    return TrainingManifest(
        created=now(),
        seed=stated["settings"]["seed"],
        **asked,
        machine=machine(),
        versions=versions_of(),
        code=CodeInfo(brittle=stated["brittle's code"], yours=stated["your code"]),
        network=NetworkInfo(
            spec=design.name,
            digest=digest_of(first),
            parameters=parameters_of(first),
            input_shape=design.input_shape,
            bounds=(0.0, 1.0),
            tensors=stated["tensors that are no weights"],
            defence=said_of(design).get("defence", ""),
        ),
        data=data_info(source),
        content=stated["images and labels"],
        test=None if tested is None else data_info(tested),
        settings=stated["settings"],
        adversarial=stated["attack"],
    )
