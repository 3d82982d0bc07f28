"""`audit`: from a network and images to a run folder, part by part, so that it can be killed at any moment."""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from brittle import metrics
from brittle.arguments import checked
from brittle.core.attack import Attack
from brittle.core.quantize import QuantizationGrid
from brittle.data.folder import without_labels
from brittle.engine.engine import Engine, LocalEngine
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.compatibility import batch_of, check_model_on_data, confidence_of, eot_samples_for
from brittle.evaluation.part import without_final_query
from brittle.evaluation.plan import Planned, plan, refuse_twice, threat_of, threat_settings, usual
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.provenance import data_info, network_info, provenance
from brittle.evaluation.radius import check_reach, unusual_radius
from brittle.evaluation.subject import open_subject
from brittle.evaluation.work import Work
from brittle.files import check_names
from brittle.health.context import AttackRun
from brittle.health.examine import examine_run
from brittle.identity.sources import users_modules
from brittle.identity.walk import Known
from brittle.models.network import digest_of
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.manifest import Manifest, ThreatInfo
from brittle.runs.place import check_folder, files_named
from brittle.runs.store import PARTS, RunFolder
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.threats import parse_threat

PARTS_OF = 64
"""Images in a part: few enough that a killed run loses little, many enough that files stay few."""


@checked
@telling_of_own_code()
def audit(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str | None = None,
    *,
    question: Question | None = None,
    attacks: Sequence[str | Attack] = (),
    effort: Effort | None = None,
    thorough: bool = False,
    force: bool = False,
    command: Sequence[str] = (),
    watch: Progress | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> RunFolder:
    """Attack a network on images and keep every row in a run folder.

    Interrupted at any moment and called again with the same arguments, it goes on and ends with the same rows. Called
    by several processes at the same time with the same arguments, they share the parts of the run.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: what `open_source` understands, a source, images and labels as tensors or arrays, a data set or loader of
            torch; or a `DataSpec`. Images are fitted to the network's input.
        out: the run folder; by default a temporary one (`RunFolder.path`), which is gone with what is returned.
        question: the threat with its radius, by default linf and the radius most often reported for it; and the levels
            that adversarial images lie on.
        attacks: as text, such as `pgd:steps=40,restarts=5`, or as values, such as `PGD(steps=40)`, own ones too; by
            default noise, FGSM, PGD and DeepFool; of a network that gives no gradients those that suit it, see
            `plan`.
        effort: budget, eot_samples, batch, seed and device.
        thorough: check the audit itself with as many passes as that takes, instead of at most 5 % of its own; changes
            no row.
        force: replace another run that the folder holds.
        command: what the user typed, for the manifest.
        watch: who is told of the progress.
        engine: what gets the parts of the run done; by default this process, one part after the other.
        **options: single fields of the network, the images, the question and the effort, by the names that the
            command line has: `norm`, `eps`, `max_images`, `seed`, ...

    Returns:
        The finished run folder, with what the checks of the audit found (`RunFolder.health`).

    Raises:
        BrittleError: invalid input or an input/output failure; the message says what was wrong and how to fix it.

    Example:
        >>> import tempfile
        >>> folder = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, max_images=20)
        >>> folder.table("fgsm").num_rows
        20
    """
    asked = Asked.of(model, data, question, effort, options, without=("target",))
    path = Path(tempfile.mkdtemp(prefix="brittle-")) if out is None else Path(out)
    watch = watch or NullProgress()
    call = _Call(asked, tuple(attacks), thorough, force, tuple(command), watch, engine or LocalEngine())
    if out is not None:
        return _audited(call, path)
    watch.note(f"the run lies in {path}, as long as what this returns is held")
    try:
        folder = _audited(call, path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    weakref.finalize(folder, shutil.rmtree, path, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class _Call:
    """What `audit` was called with, apart from the folder."""

    asked: Asked
    attacks: Sequence[str | Attack]
    thorough: bool
    force: bool
    command: Sequence[str]
    watch: Progress
    engine: Engine


def _audited(call: _Call, path: Path) -> RunFolder:
    asked, attacks = call.asked, call.attacks
    seed, budget, quantization = asked.effort.seed or 0, asked.effort.budget, asked.question.quantization
    threat, eps = threat_of(asked.question)
    threat = threat or parse_threat("linf")
    check_folder(path, RUN_FOLDER, files_named(asked.model.spec, asked.data.spec, asked.model.weights))
    radius = usual(threat) if eps is None else eps
    planned = plan(attacks, threat, radius) if attacks else []
    refuse_twice(planned)
    without_final_query(budget, asked.effort.eot_samples or 1)
    check_names(*(path / PARTS / one.info.key for one in planned))
    loaded = users_modules()
    if quantization is not None:
        QuantizationGrid(quantization)  # refuses what is no number of levels, before anything is opened
    subject = open_subject(asked.model, asked.data, device=asked.effort.device)
    network, classifier, source = subject.network, subject.classifier, subject.source
    if not len(source):
        raise DataError(f"{source.spec} holds no images; an audit needs at least one")
    if not source.labelled:
        raise DataError(without_labels(source.spec))
    planned = planned or plan((), threat, radius, access=classifier.access, budget=budget)
    if not planned:
        raise InputError(
            f"none of the attacks that are taken by default knows {threat.name!r}; name some that do (--attack, or "
            "`attacks` in Python), such as noise, pgd or your own"
        )
    source, remarks = match_classes(network.classes, source, asked.data.class_order)
    remarks = [*remarks, *subject.remarks]
    source.conversions()  # refuses images of other sizes before the network is asked
    known = Known()
    before = digest_of(classifier.module, known=known)
    shape = check_model_on_data(classifier, source, blank=budget is not None)
    if eps is not None:
        check_reach(threat.within(eps), shape, classifier.bounds)
    if budget is None:
        remarks += subject.remarks_on_normalisation(source)
    if radius is not None:
        remarks += unusual_radius(threat, radius / classifier.bounds.span, shape, asked=eps is not None)
    ask_twice = None if budget is not None else partial(check_model_on_data, classifier, source, blank=True)
    identity_fields = [value for one in planned for value in (one.attack, one.threat)]
    origin = provenance(network, classifier, source, loaded, ask_twice, known, identity_fields)
    eot_samples = asked.effort.eot_samples or eot_samples_for(
        classifier, source, budget, subject.defended, subject.channel
    )
    defended = None if subject.defended is None else subject.defended.over(eot_samples)
    manifest = Manifest(
        created=now(),
        command=list(call.command),
        seed=seed,
        device=asked.effort.device or subject.device,
        machine=machine(),
        batch=asked.effort.batch or batch_of(shape),
        block=PARTS_OF,
        max_images=asked.data.max_images,
        quantization=quantization,
        budget=budget,
        eot_samples=eot_samples,
        confidence=confidence_of(asked.question.confidence, subject.defended),
        network=network_info(network, classifier, origin, defended, subject.channel, asked.model.weights),
        data=data_info(source, network.classes, again=True, remarks=remarks),
        threat=ThreatInfo(norm=threat.name, radius=radius, settings=threat_settings(threat)),
        attacks=[one.info for one in planned],
        versions=versions_of(),
        code=origin.code,
    )
    with RunFolder.create(path, manifest, force=call.force) as folder:
        work = Work(folder, planned, classifier, source, origin, call.watch, call.engine)
        anew = work.go() or folder.manifest.status == "running"
        question = threat if radius is None else threat.within(radius)
        work.judge(
            lambda: examine_run(
                folder, attempts(folder, planned), question, classifier, source, weights=before, thorough=call.thorough
            ),
            thorough=call.thorough,
        )
        if anew:
            folder.finish()
        return folder


def attempts(folder: RunFolder, planned: Sequence[Planned]) -> list[AttackRun]:
    """Return the attacks of a run whose parts are all there with their rows, for the checks."""
    tables = metrics.common_images([folder.table(one.info.key) for one in planned])
    return [AttackRun(one.info.spec, one.attack, one.threat, table) for one, table in zip(planned, tables, strict=True)]
