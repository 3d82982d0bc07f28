"""`universal`: one perturbation for all images, saved with how it was made and what it does to unseen images."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from brittle.arguments import Count, CountOrNone, Device, FileName, Seed, checked
from brittle.classifiers.still import undisturbed
from brittle.data import Noise, Source
from brittle.errors import InputError
from brittle.evaluation.command import command_line
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.radius import check_reach
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.subject import Subject, open_subject
from brittle.evaluation.universal_result import ROWS, Universal, finished, judged
from brittle.evaluation.universal_split import Split
from brittle.identity.sources import users_modules
from brittle.models import Network
from brittle.registry import UNIVERSAL
from brittle.runs import kinds
from brittle.runs.checkpoint import belongs_to_another
from brittle.runs.place import FilePlace, files_named
from brittle.threats import Lp
from brittle.universal.course import identity_of
from brittle.universal.excitation import Excitation
from brittle.universal.problem import unheard
from brittle.universal.search import Pass, UniversalProblem, find_universal
from brittle.version import __version__

NORMS = ("linf", "l2")
LINF, L2, PUBLISHED_VALUES = 10 / 255, 2000 / 255, 3 * 224 * 224
"""The radii of Moosavi-Dezfooli et al., CVPR 2017, section 3, and the number of values of their images."""
CHECKPOINT = ".checkpoint"
"""Ending of the file that a killed search goes on from."""


@checked
def universal(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    model: FileName | Network,
    data: FileName | Source | None,
    out: Path | str,
    *,
    attack: str = "ascent",
    norm: str = "linf",
    eps: float | None = None,
    unseen: CountOrNone | None = None,
    limit: Count | None = None,
    batch: Count = 64,
    device: Device = "cpu",
    seed: Seed = 0,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    resize: Count | None = None,
    crop: Count | None = None,
    skip_bad: bool = False,
    force: bool = False,
    watch: Callable[[Pass], None] | None = None,
    progress: Callable[[float], None] | None = None,
    looking: Callable[[float], None] | None = None,
) -> Universal:
    """Make one perturbation for all images, and say what it does to images that it has not seen.

    No label is used: an image is fooled when the network's class is another one than without the perturbation. Killed
    at any moment and called again, the search goes on after the last finished pass; finished and called again, it reads
    what it made. What another call made stays as it is.

    Args:
        model: what `open_network` understands, or a network.
        data: what `open_source` understands, or a source; a part of it is kept aside. None, for methods that need no
            images: images of noise then tell how far the search is, and the rates are of these.
        out: the safetensors file to write; a Parquet file of rows is written beside it.
        attack: as text, such as `ascent:passes=5` or `uap(deepfool:steps=10)`.
        norm: linf or l2.
        eps: the radius in the units of the images; by default 10/255 in linf and 2000/255 in l2, the paper's for
            images of 150,528 values; for others the l2 radius that changes a value as much.
        unseen: how many images are kept aside; half of them by default.
        limit: use the first so many images.
        batch: images in one call of the network.
        device: where to run.
        seed: of the split and all random draws.
        weights: safetensors for architectures and factories.
        dtype: the network's number format, as in `open_network`.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read.
        force: replace a perturbation, with its rows, that another call made.
        watch: called after every pass over the images.
        progress: told which fraction of a pass is done.
        looking: told which fraction of the images has been looked at once more in the end.

    Returns:
        The perturbation, its files and its fooling rates with intervals.

    Raises:
        BrittleError: anything that cannot be meant or done.
    """
    if norm not in NORMS:
        raise InputError(f"the norm is {norm!r}; universal perturbations are made for {' and '.join(NORMS)}")
    method = parse_universal(attack)
    path, sides = Path(out), {ROWS: kinds.ROWS, ".html": kinds.PAGE, CHECKPOINT: kinds.CHECKPOINT}
    place = FilePlace(path, kinds.PERTURBATION, sides, files_named(model, data, weights), force)
    place.check()
    if data is None and method.needs_images:
        free = ", ".join(name for name, kind in UNIVERSAL.items() if issubclass(kind, Excitation))
        raise InputError(
            f"{attack} is made from images, and none are given; say --data, or take a method without: {free}"
        )
    loaded = users_modules()
    subject = open_subject(
        model,
        "noise" if data is None else data,
        weights=weights,
        dtype=dtype,
        binary=binary,
        probabilities=probabilities,
        device=device,
        limit=limit,
        resize=resize,
        crop=crop,
        skip_bad=skip_bad,
    )
    said = subject.said()
    split = Split.of(subject, unseen, batch, seed)
    threat = Lp(norm, usual_radius(norm, split.seen.shape) if eps is None else eps)
    check_reach(threat, split.seen.shape, subject.classifier.bounds)
    problem = UniversalProblem(subject.classifier, split.seen.shape, threat, split.seen, seed, progress or unheard)
    about = _about(subject, split, device, loaded)
    identity = json.dumps({name: value for name, value in about.items() if name not in ("network", "data", "device")})
    told: dict[str, object] = {"from_images": method.needs_images, "noise": isinstance(subject.source, Noise)}
    told["said"] = said
    options: dict[str, object] = {"data": None if data is None else subject.source.spec, "out": path.name}
    options |= {"attack": attack, "norm": norm, "eps": float(threat.radius), "unseen": unseen, "limit": limit}
    options |= {"batch": batch, "device": device, "seed": seed, "weights": weights, "dtype": dtype, "binary": binary}
    options |= {"probabilities": probabilities, "resize": resize, "crop": crop, "skip_bad": skip_bad}
    told["command"] = command_line(["universal", subject.network.spec], options)
    with place.held():
        checkpoint, whole = place.side(CHECKPOINT), identity_of(method, problem, identity)
        told["identity"] = hashlib.sha256(whole.encode()).hexdigest()
        result = _kept(place, whole, told["identity"])
        if result is None:
            found = find_universal(method, problem, checkpoint=checkpoint, identity=identity, watch=watch)
            found = replace(found, made={**found.made, **about, "attack": attack, **told})
            result = judged(path, found, split, seed, subject, looking or unheard)
        checkpoint.unlink(missing_ok=True)
    return result


def _kept(place: FilePlace, whole: str, identity: str) -> Universal | None:
    """Return what the same call has made before, and refuse to write over what another one made."""
    done, checkpoint = finished(place.path, identity), place.side(CHECKPOINT)
    if done is not None:
        return done
    made = kinds.header_of(place.path).get("made")
    if not isinstance(made, dict) or made.get("identity") != identity:
        place.replace("another perturbation", [place.path])
    if not place.path.exists() and not checkpoint.exists():
        place.replace("what belongs to another perturbation", [place.side(ROWS), place.side(".html")])
    if place.force and belongs_to_another(checkpoint, whole):
        checkpoint.unlink()
    return None


def usual_radius(norm: str, shape: tuple[int, int, int]) -> float:
    """Return the radius of Moosavi-Dezfooli et al., CVPR 2017: 10/255 in linf; in l2 the same change per value.

    Example:
        >>> usual_radius("l2", (3, 224, 224)) * 255
        2000.0
    """
    return LINF if norm == "linf" else L2 * math.sqrt(math.prod(shape) / PUBLISHED_VALUES)


def _about(subject: Subject, split: Split, device: str, loaded: set[str]) -> dict[str, object]:
    first = split.seen.at(torch.arange(1))

    def ask() -> None:
        with undisturbed(subject.classifier.module), torch.no_grad():
            subject.classifier.logits(first)

    ask()
    origin = provenance(subject.network, subject.classifier, subject.source, loaded, ask)
    return {
        **origin.plain(),
        "outputs": outputs_of(subject.classifier),
        "network": subject.network.spec,
        "network_digest": subject.network.digest,
        "data": subject.source.spec,
        "data_digest": subject.source.digest(again=True),
        "fit": asdict(subject.source.fit),
        "images": len(split.seen),
        "unseen": 0 if split.unseen is None else len(split.unseen),
        "device": device,
        "versions": {"brittle": __version__, "torch": str(torch.__version__)},
    }
