"""`universal`: one perturbation for all images, saved with how it was made and what it does to held-out images."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from brittle.arguments import Count, CountOrNone, checked
from brittle.classifiers.frozen import preserving_state
from brittle.data import Noise, Source
from brittle.errors import InputError
from brittle.evaluation.command import command_words
from brittle.evaluation.plan import threat_settings
from brittle.evaluation.provenance import Provenance, data_info, network_info, provenance
from brittle.evaluation.radius import check_reach
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.subject import OpenedSubject, open_images, open_subject
from brittle.evaluation.universal_result import Universal, finished, judged
from brittle.evaluation.universal_seeds import by_seeds, check_seeds
from brittle.evaluation.universal_split import Split
from brittle.evaluation.universal_task import AskedTask
from brittle.evaluation.universal_threat import norm_and_radius, shared_threat, usual_radius
from brittle.evaluation.universal_workers import Shared
from brittle.files import as_out
from brittle.identity.sources import users_modules
from brittle.names import in_shell
from brittle.plugins.own_code import telling_of_own_code
from brittle.registry import UNIVERSAL
from brittle.remote import out_at_address
from brittle.runs import kinds
from brittle.runs.manifest_info import Task, ThreatInfo, said_of_images
from brittle.runs.place import check_folder, files_named, folder_of
from brittle.runs.result_manifests import UniversalManifest
from brittle.runs.results import UniversalFolder
from brittle.runs.surroundings import machine, now, versions_of
from brittle.specs import SEARCHING, Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.threats import SharedThreat
from brittle.universal_attacks.problem import ignore_progress
from brittle.universal_attacks.search import Pass, UniversalAttack, UniversalProblem

BATCH = 64
"""Images in one call of the network, by default."""


NOTHING = (
    *("labels", "channel", "class_order", "target", "quantization", "confidence", "budget", "eot_samples"),
    *SEARCHING,
)
"""What means nothing to a universal perturbation."""


@checked
@telling_of_own_code()
@out_at_address
def universal(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec | None,
    out: Path | str,
    *,
    question: Question | None = None,
    attack: str | UniversalAttack = "ascent",
    effort: Effort | None = None,
    task: Task = "classification",
    ratio: float | None = None,
    held_out: CountOrNone | None = None,
    made_from: DataLike | None = None,
    seeds: Count = 1,
    workers: Count = 1,
    force: bool = False,
    watch: Callable[[Pass], None] | None = None,
    progress: Callable[[float], None] | None = None,
    looking: Callable[[float], None] | None = None,
    begins: Callable[[str], None] | None = None,
    **options: Any,
) -> Universal:
    """Make one perturbation for all images, and say what it does to images that it has not seen.

    No label is used: an image is fooled when the network's class is another one than without the perturbation. Killed
    at any moment and called again, the search goes on after the last finished pass; finished and called again, it reads
    what it made. What another call made stays as it is.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: images as `audit` takes them, or a `DataSpec`; a part of them is kept aside. None, for methods that need
            no images: images of noise then tell how far the search is, and the rates are of these.
        out: the folder, or its address: `perturbation.safetensors`, `rows.parquet`, and `manifest.json` with what it
            was made from.
        question: the threat, linf (the default), l2 or l1, and its radius; by default 10/255 in linf and 2000/255 in
            l2, the paper's for images of 150,528 values; for others the l2 radius that changes a value as much. In l1
            nobody has published one, and it has to be said. Or `patch` or `frame`, with the side in pixels.
        attack: as text, such as `ascent:passes=5` or `uap(deepfool:steps=10)`, or as a value.
        effort: batch (64 by default), seed (of the split and all random draws) and device.
        task: "segmentation" for a network with a class for every pixel, (n, classes, h, w), or "depth" for one with a
            depth above 0 for every pixel, (n, h, w) or (n, 1, h, w): all rates are then mean shares of an image's
            pixels, and the batch is 1 by default.
        ratio: from which a depth counts as another one; 1.25 by default, the first threshold of Eigen et al., 2014.
        held_out: how many images are kept aside, to judge it on; half of them by default.
        made_from: images X of their own, such as another data set or a folder of a few: then none of `data` are among
            them, and all of `data` is kept aside.
        seeds: how many searches are made, by the seed and those that follow it, on the same images; the one whose rate
            is the median is returned, with those of the others in `more` and all rates in `made`.
        workers: so many processes of this machine share each mini-batch of the search, one for each GPU on GPUs, as
            `find_universal` says. An interrupted search goes on with any number of them.
        force: replace what another call left in the folder.
        watch: called after every pass over the images.
        progress: told which fraction of a pass is done.
        looking: told which fraction of the images has been looked at once more in the end.
        begins: told which seed begins, where there are several.
        **options: single fields of these values, as in `audit`.

    Returns:
        The perturbation, its files and its fooling rates with intervals.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    asked = Asked.of(model, data, question, effort, options, without=NOTHING)
    (norm, eps), seed = norm_and_radius(asked.question), asked.effort.seed or 0
    method = parse_universal(attack) if isinstance(attack, str) else attack
    attack = attack if isinstance(attack, str) else repr(attack)
    pixels = AskedTask.of(task, ratio)
    path, note = folder_of(out)
    if note:
        warnings.warn(note, DeprecationWarning, stacklevel=3)
    check_folder(path, kinds.UNIVERSAL, files_named(asked.model.spec, asked.data.spec, asked.model.weights, made_from))
    free_of_images = asked.data.spec is None
    if free_of_images and method.needs_images:
        raise InputError(_without_images(attack, norm))
    loaded = users_modules()
    images = replace(asked.data, spec="noise") if free_of_images else asked.data
    subject = open_subject(asked.model, images, device=asked.effort.device)
    subject = replace(subject, classifier=pixels.classifier(subject.classifier))
    device, batch = asked.effort.device or subject.device, asked.effort.batch or (1 if pixels.dense else BATCH)
    said = subject.said()
    other = _other(asked.data, made_from, held_out, subject)
    beside = path.parent if path.parent.is_dir() else None
    split = Split.of(subject, held_out, batch, seed, beside, made_from=other, answers=pixels.answers)
    said += subject.left_out() + ([] if other is None else _said_of(other, subject))
    threat = shared_threat(norm, usual_radius(norm, split.training.shape) if eps is None else eps)
    check_reach(threat, split.training.shape, subject.classifier.bounds)
    split = split.under(threat)
    problem = UniversalProblem(
        subject.classifier, split.training.shape, threat, split.training, seed, progress or ignore_progress
    )
    method.check(problem)
    check_seeds(method, split, seed, seeds)
    by = Shared.of(method, problem, workers, asked.model, images, pixels)
    given: dict[str, object] = {"data": None if free_of_images else subject.source.spec, "out": as_out(path)}
    given |= {**pixels.given(), "attack": attack, "held_out": held_out}
    given |= {"made_from": None if other is None else other.spec, "seeds": seeds if seeds > 1 else None}
    given |= {"workers": workers if workers > 1 else None, **asked.stated(), "norm": norm, "eps": float(threat.radius)}
    command = command_words(
        ["universal", subject.network.spec], given | {"batch": batch, "device": device, "seed": seed}
    )
    origin = _origin(subject, split, loaded, method)
    chosen: dict[str, Any] = {"method": method, "attack": attack, "seeds": seeds, "seed": seed, "device": device}
    chosen |= {
        "batch": batch,
        "task": task,
        "ratio": pixels.ratio,
        "made_from": None if other is None else data_info(other, again=True),
    }
    manifest = _manifest(subject, split, origin, threat, model=asked.model, command=command, **chosen)
    with UniversalFolder.create(path, manifest, force=force) as folder:
        result = finished(folder)
        if result is None:
            found = by_seeds(by, split, folder, seeds, watch, begins)
            told = _told(subject, split, origin, folder.manifest) | _aims(method)
            told |= {"from_images": method.needs_images, "noise": isinstance(subject.source, Noise), "said": said}
            told |= ({} if other is None else {"made_from": other.spec}) | pixels.told()
            found = replace(found, made={**found.made, **told, "command": in_shell(command)})
            result = judged(folder, found, split, seed, subject, looking or ignore_progress)
            folder.note_files(origin.files())
        folder.finish()
    return result


def _without_images(attack: str, norm: str) -> str:
    methods = {name: parse_universal(name) for name in UNIVERSAL}
    free = [name for name, one in methods.items() if norm in one.threats and not one.needs_images]
    others = f", or take a method without: {', '.join(free)}" if free else f": no method without images knows {norm}"
    return f"{attack} is made from images, and none are given; say --data{others}"


def _aims(method: UniversalAttack) -> dict[str, object]:
    """What the file tells of a target or classes of its own."""
    target: dict[str, object] = {} if method.aims_at is None else {"target": method.aims_at}
    return target | ({"only": list(method.only)} if method.only else {})


def _other(data: DataSpec, made_from: DataLike | None, held_out: int | None, subject: OpenedSubject) -> Source | None:
    """Open the images X where they are of a source of their own.

    Raises:
        InputError: there are no images to judge by, or some of them shall be kept aside beside.
    """
    if made_from is None:
        return None
    if data.spec is None:
        raise InputError("made_from says what it is made from, and no images to judge it by are given; say --data")
    if held_out is not None:
        raise InputError(f"held_out is {held_out}, and with made_from all of data is kept aside; leave one out")
    return open_images(DataSpec(made_from, skip_bad=data.skip_bad), subject.source.fit)


def _said_of(other: Source, subject: OpenedSubject) -> list[str]:
    """What is done to the images X of a source of their own, and which could not be read."""
    own = replace(subject, source=other)
    lines = said_of_images(len(other), other.conversions(), other.skipped, []) + own.left_out()
    return [f"made from {other.spec}: {line}" for line in lines]


def _origin(subject: OpenedSubject, split: Split, loaded: set[str], method: UniversalAttack) -> Provenance:
    """What the network is made of, once it has been asked."""
    first = split.training.at(torch.arange(1))

    def ask() -> None:
        with preserving_state(subject.classifier.module), torch.no_grad():
            subject.classifier.logits(first)

    ask()
    return provenance(subject.network, subject.classifier, subject.source, loaded, ask, chosen=[method])


def _manifest(
    subject: OpenedSubject,
    split: Split,
    origin: Provenance,
    threat: SharedThreat,
    *,
    model: ModelSpec,
    method: UniversalAttack,
    attack: str,
    **asked: Any,
) -> UniversalManifest:
    """What the folder will say of the search; `asked` are command, X, seeds, seed, device and batch."""
    return UniversalManifest(
        created=now(),
        **asked,
        machine=machine(),
        versions=versions_of(),
        code=origin.code,
        network=network_info(subject.network, subject.classifier, origin, subject.defended, asked=model),
        data=data_info(subject.source, subject.network.classes, again=True),
        threat=ThreatInfo(norm=threat.name, radius=float(threat.radius), settings=threat_settings(threat)),
        held_out=0 if split.held_out is None else len(split.held_out),
        attack=attack,
        method=repr(method),
    )


def _told(subject: OpenedSubject, split: Split, origin: Provenance, manifest: UniversalManifest) -> dict[str, object]:
    """What the file of the perturbation tells, so that it speaks for itself without the folder."""
    return {
        **origin.plain(),
        "outputs": manifest.network.outputs,
        "network": subject.network.spec,
        "network_digest": manifest.network.digest,
        "data": subject.source.spec,
        "data_digest": manifest.data.digest,
        "fit": asdict(subject.source.fit),
        "images": len(split.training),
        "unseen": manifest.held_out,
        "device": manifest.device,
        "versions": {name: manifest.versions[name] for name in ("brittle", "torch")},
        "attack": manifest.attack,
    }
