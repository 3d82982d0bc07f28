"""What the audits of dense networks share: the question, the folder, and what comes of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from brittle.core.attack import Attack
from brittle.dense.network import DenseNetwork
from brittle.dense.questions import checked_share
from brittle.dense.run import Task, check_budget
from brittle.errors import DataError
from brittle.evaluation.command import command_words
from brittle.evaluation.compatibility import first_look
from brittle.evaluation.dense_images import DenseWork
from brittle.evaluation.plan import plan, spec_of, threat_of, threat_settings
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.provenance import data_info, network_info, provenance
from brittle.evaluation.radius import check_reach
from brittle.evaluation.subject import open_subject
from brittle.files import as_out
from brittle.identity.sources import users_modules
from brittle.models.network import Network
from brittle.runs.dense import DenseFolder
from brittle.runs.dense_manifests import DenseManifest
from brittle.runs.dense_summary import DenseSummary
from brittle.runs.manifest_info import ThreatInfo
from brittle.runs.place import check_folder, files_named
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import SEARCHING, Asked
from brittle.threats import parse_threat

ATTACK = "pixel-descent"
SHARE = 0.99
"""As `run_dense` has it."""
NOTHING = (
    *("binary", "labels", "defence", "defence_data", "naive", "channel", "class_order"),
    *("target", "quantization", "eot_samples", *SEARCHING),
)
"""Options of an audit that mean nothing where there is an answer for every pixel, and no true one is read."""

S = TypeVar("S", bound=DenseSummary)


@dataclass(frozen=True)
class Audited(Generic[S]):
    """An audit of a network with an answer for every pixel.

    Attributes:
        folder: that holds it.
        summary: what it comes to.
        said: what was done to the images on their way to the network, in sentences.
    """

    folder: Path
    summary: S
    said: list[str]


@dataclass(frozen=True)
class DenseTask(Generic[S]):
    """A task of dense networks, and what its audits are made of.

    Attributes:
        name: of the task.
        network: how outputs are read.
        folder: what keeps an audit.
        work: what fills it.
        summarise: what sums it up.
        manifest: what a manifest says beside what all dense ones do, of a network and of `extra` settings.
    """

    name: Task
    network: type[DenseNetwork]
    folder: type[DenseFolder[Any, Any]]
    work: type[DenseWork[Any, Any]]
    summarise: Callable[[Any], S]
    manifest: Callable[[Network, Mapping[str, Any], dict[str, Any]], DenseManifest]


def audit_dense(  # noqa: PLR0913  # each of these is a question of its own
    task: DenseTask[S],
    asked: Asked,
    out: Path | str,
    attack: str | Attack,
    share: float,
    extra: Mapping[str, Any],
    *,
    force: bool,
    watch: Progress | None,
) -> Audited[S]:
    """Attack a dense network on images, each on its own; arguments and errors as of `audit_segmentation`.

    Args:
        task: what the network does.
        asked: network, images, question and effort.
        out: the folder.
        attack: as text or as a value.
        share: of an image's pixels that must be wrong.
        extra: settings of this task alone, None for those that are as by default.
        force: replace another audit in the folder.
        watch: told of the progress.
    """
    share, budget = checked_share(share), asked.effort.budget
    check_budget(budget)
    threat, eps = threat_of(asked.question)
    (planned,) = plan([attack], threat or parse_threat("linf"), eps, dense=True)
    path, loaded = Path(out), users_modules()
    check_folder(path, task.folder.kind, files_named(asked.model.spec, asked.data.spec, asked.model.weights))
    subject = open_subject(asked.model, asked.data, device=asked.effort.device, dense=task.network)
    network, classifier, source = subject.network, subject.classifier, subject.source
    if not len(source):
        raise DataError(f"{source.spec} holds no images; an audit needs at least one")
    said = subject.said()
    look = partial(first_look, classifier, source, blank=budget is not None)
    _, shape = look()
    if math.isfinite(planned.threat.radius):
        check_reach(planned.threat, shape, classifier.bounds)
    ask = None if budget is not None else look
    origin = provenance(network, classifier, source, loaded, ask, chosen=[planned.attack, planned.threat])
    given: dict[str, object] = {"task": task.name, "data": source.spec, "out": as_out(path)}
    given |= {"attack": spec_of(attack).text, "share": None if share == SHARE else share, **extra, **asked.stated()}
    fields: dict[str, Any] = {
        "created": now(),
        "command": command_words(["audit", network.spec], given),
        "seed": asked.effort.seed or 0,
        "device": asked.effort.device or subject.device,
        "machine": machine(),
        "batch": asked.effort.batch or 1,
        "network": network_info(network, classifier, origin, asked=asked.model),
        "data": data_info(source, again=True, remarks=subject.remarks),
        "threat": ThreatInfo(
            norm=planned.info.norm, radius=planned.info.radius, settings=threat_settings(planned.threat)
        ),
        "attack": planned.info,
        "share": share,
        "budget": budget,
        "confidence": asked.question.confidence or 0.0,
        "versions": versions_of(),
        "code": origin.code,
    }
    with task.folder.create(path, task.manifest(network, extra, fields), force=force) as folder:
        if not folder.whole:
            task.work(folder, planned, classifier, source, watch or NullProgress()).go()
            folder.note_files(origin.files())
        folder.finish()
        return Audited(path, task.summarise(folder), [*said, *subject.left_out()])
