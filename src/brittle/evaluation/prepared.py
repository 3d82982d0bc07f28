"""What an audit attacks, opened and checked, and the manifest that says what determines its rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.quantize import QuantizationGrid
from brittle.data import Source
from brittle.data.folder import without_labels
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.compatibility import (
    batch_of,
    check_model_on_data,
    confidence_of,
    eot_samples_for,
    remarks_on_search,
    search_mode,
)
from brittle.evaluation.kept_words import own_file
from brittle.evaluation.part import without_final_query
from brittle.evaluation.plan import Planned, plan, refuse_twice, threat_of, threat_settings, usual
from brittle.evaluation.provenance import Provenance, data_info, network_info, provenance
from brittle.evaluation.radius import check_reach, unusual_radius
from brittle.evaluation.subject import open_subject
from brittle.files import check_names
from brittle.identity.sources import users_modules
from brittle.identity.walk import Known
from brittle.models.network import digest_of
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.manifest import Manifest, ThreatInfo
from brittle.runs.place import check_folder, files_named
from brittle.runs.store import PARTS
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import Asked
from brittle.threats import Threat, parse_threat

PARTS_OF = 64
"""Images in a part: few enough that a killed run loses little, many enough that files stay few."""


@dataclass(frozen=True)
class Prepared:
    """An audit that can begin.

    Attributes:
        planned: its attacks.
        classifier: what they see of the network.
        source: the images.
        origin: what the network is made of.
        question: the threat, with its radius where there is one.
        weights: digest of the network before anything was attacked.
        manifest: what it is.
    """

    planned: list[Planned]
    classifier: Classifier
    source: Source
    origin: Provenance
    question: Threat
    weights: str
    manifest: Manifest


def prepare(
    asked: Asked, attacks: Sequence[str | Attack], path: Path | None, *, command: Sequence[str] = ()
) -> Prepared:
    """Open network and images, and see that they can be attacked as they are asked to be.

    Args:
        asked: the network, the images, the question and the effort.
        attacks: as text or as values; none for those that are taken by default.
        path: of the run folder, which must be free for it; None where parts are done for a run that has been prepared
            already, so that nobody reads the remarks.
        command: what the user typed.

    Raises:
        BrittleError: as of `audit`.
    """
    seed, budget, quantization = asked.effort.seed or 0, asked.effort.budget, asked.question.quantization
    threat, eps = threat_of(asked.question)
    threat = threat or parse_threat("linf")
    if path is not None:
        check_folder(path, RUN_FOLDER, files_named(asked.model.spec, asked.data.spec, asked.model.weights))
    radius = usual(threat) if eps is None else eps
    planned = plan(attacks, threat, radius) if attacks else []
    refuse_twice(planned)
    without_final_query(budget, asked.effort.eot_samples or 1)
    check_names(*(path / PARTS / one.info.key for one in planned if path is not None))
    loaded = users_modules()
    if quantization is not None:
        QuantizationGrid(quantization)  # refuses what is no number of levels, before anything is opened
    subject = open_subject(asked.model, asked.data, device=asked.effort.device)
    network, classifier, source = subject.network, subject.classifier, subject.source
    _check_labelled(source)
    planned = planned or _by_default(threat, radius, classifier, budget)
    source, remarks = match_classes(network.classes, source, asked.data.class_order)
    remarks = [*remarks, *subject.remarks]
    source.conversions()  # refuses images of other sizes before the network is asked
    known = Known()
    before = digest_of(classifier.module, known=known)
    shape = check_model_on_data(classifier, source, blank=budget is not None)
    if eps is not None:
        check_reach(threat.within(eps), shape, classifier.bounds)
    if budget is None and path is not None:
        remarks += subject.remarks_on_normalisation(source)
    if radius is not None:
        remarks += unusual_radius(threat, radius / classifier.bounds.span, shape, asked=eps is not None)
    ask_twice = None if budget is not None else partial(check_model_on_data, classifier, source, blank=True)
    identity_fields = [value for one in planned for value in (one.attack, one.threat)]
    origin = provenance(network, classifier, source, loaded, ask_twice, known, identity_fields)
    eot_samples = asked.effort.eot_samples or eot_samples_for(
        classifier, source, budget, subject.defended, subject.channel
    )
    search = search_mode(asked.effort, [one.attack for one in planned], classifier)
    remarks += remarks_on_search(search, classifier.device)
    defended = None if subject.defended is None else subject.defended.over(eot_samples)
    manifest = Manifest(
        created=now(),
        command=list(command),
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
        **asdict(search),
        network=network_info(network, classifier, origin, defended, subject.channel, asked.model),
        data=data_info(source, network.classes, again=True, remarks=remarks, class_order=asked.data.class_order),
        threat=ThreatInfo(
            norm=threat.name, radius=radius, settings=threat_settings(threat), spec=own_file(asked.question.threat)
        ),
        attacks=[one.info for one in planned],
        versions=versions_of(),
        code=origin.code,
    )
    question = threat if radius is None else threat.within(radius)
    return Prepared(planned, classifier, source, origin, question, before, manifest)


def _check_labelled(source: Source) -> None:
    if not len(source):
        raise DataError(f"{source.spec} holds no images; an audit needs at least one")
    if not source.labelled:
        raise DataError(without_labels(source.spec))


def _by_default(threat: Threat, radius: float | None, classifier: Classifier, budget: int | None) -> list[Planned]:
    planned = plan((), threat, radius, access=classifier.access, budget=budget)
    if not planned:
        raise InputError(
            f"none of the attacks that are taken by default knows {threat.name!r}; name some that do (--attack, or "
            "`attacks` in Python), such as one of your own"
        )
    return planned
