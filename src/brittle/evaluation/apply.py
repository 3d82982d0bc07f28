"""`apply`: what universal perturbations of whatever origin do to any networks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from brittle.addresses import is_address, last_name, plain_address
from brittle.arguments import checked, several
from brittle.base.bounds import Bounds
from brittle.defences import Defence
from brittle.errors import InputError
from brittle.evaluation.channelled import channel_of, spelled_channel
from brittle.evaluation.defended import defence_of, spelled_defence
from brittle.evaluation.foreign import Values, read_perturbation
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.subject import OpenedSubject, made_ready, open_subject
from brittle.evaluation.universal_result import random_like
from brittle.evaluation.universal_split import Split
from brittle.metrics import Estimate, proportion
from brittle.physical import Channel
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.printed import Origin
from brittle.runs.surroundings import now
from brittle.specs import SEARCHING, Asked, ChannelLike, DataLike, DataSpec, DefenceLike, Effort, ModelLike, ModelSpec
from brittle.types import Labels, Mask
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.perturbation import Perturbation

BATCH = 64
"""Images in one call of a network, by default."""


@dataclass(frozen=True)
class AppliedCell:
    """What one perturbation does to one network.

    Attributes:
        perturbation: name of its file or folder; the whole path where several have the same name; of a file that holds
            several, the seed or the number of all but the first beside it.
        network: as the user wrote it, with its number where several are called the same.
        channel: what images went through before the network saw them, a channel or a defence; nothing where empty.
        fooled: fraction of the images that get another class.
        noise: the same by uniform noise of the perturbation's norm; for any of several, by as many draws.
        resampled: whether it had another height and width than the network's images.
        cost: fraction of the images that channel or defence alone bring to another class; None without one.
    """

    perturbation: str
    network: str
    channel: str
    fooled: Estimate
    noise: Estimate
    resampled: bool
    cost: Estimate | None = None


@dataclass(frozen=True)
class Applied:
    """What perturbations do to networks.

    Attributes:
        cells: one for each pair, by perturbation and then by network.
        said: how each perturbation was read and how images were brought to the networks, in sentences.
        origin: networks, images, seed, device and versions.
    """

    cells: tuple[AppliedCell, ...]
    said: tuple[str, ...]
    origin: Origin

    def plain(self) -> dict[str, object]:
        """Return all figures as JSON can hold them."""
        return {"cells": [asdict(cell) for cell in self.cells], "said": list(self.said)}


@checked
@telling_of_own_code()
def apply(  # noqa: PLR0913  # each of these is a question of its own
    perturbations: Path | str | Perturbation | Sequence[Path | str | Perturbation],
    models: ModelLike | ModelSpec | Sequence[ModelLike | ModelSpec],
    data: DataLike | DataSpec,
    *,
    channels: Sequence[ChannelLike] = (),
    defences: Sequence[DefenceLike] = (),
    defence_data: DataLike | None = None,
    values: Values = "auto",
    effort: Effort | None = None,
    watch: Progress | None = None,
    **options: Any,
) -> Applied:
    """Add stored universal perturbations to images, and say how many of these get another class from each network.

    No label is used. Of a file that holds several, each is shown, and how many images are fooled by any of them. Where
    a perturbation has another height and width than a network's images, it is resampled. Of images that a perturbation
    was made from, more are fooled than of others: give images that it has not seen.

    Args:
        perturbations: one or several: folders or files of `brittle universal`, or what they hold; or `.npy`,
            `.safetensors` and `.png` of others; or their addresses.
        models: one network or several, as `audit` takes them.
        data: images likewise, or a `DataSpec`.
        channels: what images go through, with and without a perturbation, before the networks see them, such as "jpeg";
            each in turn, after nothing.
        defences: what stands around the networks, likewise, such as "subspace:count=50".
        defence_data: clean training images for defences that need some.
        values: what the numbers are units of: images from 0 to "1" or from 0 to "255"; see `read_perturbation` for
            "auto".
        effort: batch (64 by default), seed (of the noise) and device.
        watch: told of the progress, in passes of images.
        **options: single fields of these values, as in `audit`.

    Returns:
        A fooling rate with its interval for each pair, beside that of noise of the same norm.

    Raises:
        BrittleError: invalid input, among others a perturbation with another number of channels.

    Example:
        >>> import tempfile
        >>> from brittle import Lp, Perturbation
        >>> place = tempfile.mkdtemp() + "/v.safetensors"
        >>> Perturbation(torch.full((1, 8, 8), 0.5), Lp("inf", 0.5)).save(place)
        >>> apply([place], ["digits-lenet"], "digits", max_images=20).cells[0].fooled.n
        20
    """
    files, networks = several(perturbations), several(models)
    if not files or not networks:
        raise InputError("there is nothing to apply; give at least one perturbation and one network")
    nothing = ("channel", "labels", "target", "norm", "eps", "quantization", "confidence", "budget", "eot_samples")
    nothing += ("defence", "naive", *SEARCHING)
    every = [Asked.of(model, data, None, effort, dict(options), without=nothing) for model in networks]
    found = [(name, *read_perturbation(one, values)) for name, one in zip(_names_of(files), files, strict=True)]
    read = [_each(name, perturbation) for name, perturbation, _ in found]
    said = {f"{name}: {how}": None for name, _, how in found}
    watch, cells = watch or NullProgress(), list[AppliedCell]()
    between, around, called = [*map(channel_of, channels)], [*map(defence_of, defences)], Counter[str]()
    subjects = [open_subject(asked.model, asked.data, device=asked.effort.device) for asked in every]
    for asked, plain in zip(every, subjects, strict=True):
        images = Split.of(plain, 0, asked.effort.batch or BATCH, 0).training
        if not cells:
            passes = 1 + 2 * sum(map(len, read))
            watch.begin(len(networks) * (1 + len(between) + len(around)) * passes * len(images), 0)
        spec = plain.network.spec
        called[spec] += 1
        name = spec if called[spec] == 1 else f"{spec} ({called[spec]})"
        for behind, subject in _behind(plain, between, around, defence_data):
            said |= dict.fromkeys([*subject.said(), *subject.left_out()])
            seen = replace(images, classifier=subject.classifier)
            cells += _cells(_Seen(name, behind, seen, images.clean), read, asked.effort.seed or 0, watch)
    order = {name: number for number, name in enumerate(dict.fromkeys(cell.perturbation for cell in cells))}
    ordered = tuple(sorted(cells, key=lambda cell: order[cell.perturbation]))
    return Applied(ordered, tuple(said), _origin(subjects, every[0].effort.seed or 0))


def _names_of(perturbations: Sequence[Path | str | Perturbation]) -> list[str]:
    """Name each: by the last part of its place, or the whole where two share it; values by their number."""
    places = [
        f"perturbation {number}" if isinstance(one, Perturbation) else plain_address(str(one))
        for number, one in enumerate(perturbations, 1)
    ]
    names = [last_name(place) if is_address(place) else Path(place).resolve().name for place in places]
    return names if len({*names}) == len(names) else places


def _origin(subjects: Sequence[OpenedSubject], seed: int) -> Origin:
    source = subjects[0].source  # the images of all of them
    return Origin(
        [{"spec": one.network.spec, "digest": one.network.digest} for one in subjects],
        [{"spec": source.spec, "digest": source.digest(), "images": len(source)}],
        seed,
        subjects[0].device,
        finished=now(),
    )


def _behind(
    plain: OpenedSubject, channels: Sequence[Channel], defences: Sequence[Defence], defence_data: DataLike | None
) -> Iterator[tuple[str, OpenedSubject]]:
    """Yield a network as it is, and behind each channel and defence, with how that is written."""
    yield "", plain
    for channel in channels:
        yield spelled_channel(channel), plain.through(channel)
    for defence in defences:
        ready = made_ready(defence, plain.classifier, plain.source, defence_data)
        protected = ready.protect(plain.classifier)
        if protected.rejects:
            raise InputError(
                f"{ready.title} refuses images, and perturbations are not judged by refusals; leave it out"
            )
        yield spelled_defence(ready), replace(plain, classifier=protected)


@dataclass(frozen=True)
class _Seen:
    """A network as it is met: its name, what lies before it, its images, and their classes with nothing before it."""

    network: str
    behind: str
    images: ImageSet
    plainly: Labels


def _cells(
    seen: _Seen,
    read: Sequence[Sequence[tuple[str, Perturbation]]],
    seed: int,
    watch: Progress,
) -> list[AppliedCell]:
    """Show all perturbations, and noise like each, to one network."""
    made, network, images = list[AppliedCell](), seen.network, seen.images
    cost = _rate(images.clean != seen.plainly) if seen.behind else None
    watch.advance(network, len(images))
    for each in read:
        by, by_noise, resampled = list[Mask](), list[Mask](), False
        for number, (name, perturbation) in enumerate(each):
            fitted = _fitted(name, perturbation, images, network)
            resampled = fitted is not perturbation
            changes = fitted.tensor, random_like(_of_its_size(fitted), seed + number)
            worn, bounds = images.under(fitted.threat), images.classifier.bounds
            both = (fitted.threat.rescaled_change(change, Bounds(), bounds) for change in changes)
            fooled, noise = (worn.fooled(change) for change in both)
            made.append(AppliedCell(name, network, seen.behind, _rate(fooled), _rate(noise), resampled, cost))
            by, by_noise = [*by, fooled], [*by_noise, noise]
            watch.advance(network, 2 * len(images))
        if len(each) > 1:
            any_, any_noise = (_rate(torch.stack(hits).any(0)) for hits in (by, by_noise))
            name = f"{each[0][0]} (any of {len(each)})"
            made.append(AppliedCell(name, network, seen.behind, any_, any_noise, resampled, cost))
    return made


def _fitted(name: str, perturbation: Perturbation, images: ImageSet, network: str) -> Perturbation:
    """Return it in the size of the images.

    Raises:
        InputError: another number of channels.
    """
    channels, height, width = images.shape
    if perturbation.tensor.shape[0] != channels:
        raise InputError(
            f"{name} has {perturbation.tensor.shape[0]} channels and the images of {network} have "
            f"{channels}; it can only be added to images of its own kind"
        )
    return perturbation.resampled(height, width)


def _rate(hits: Mask) -> Estimate:
    return proportion(int(hits.sum()), len(hits))


def _each(name: str, found: Perturbation) -> list[tuple[str, Perturbation]]:
    """Return the perturbations of a file, each with a name: further ones by their seed, or by their number."""
    seeds = [one["seed"] for one in cast("Sequence[dict[str, object]]", found.made.get("seeds", ()))]
    further = [f" (seed {seed})" for seed in seeds[1:]] or [f" ({number})" for number in range(2, len(found.every) + 1)]
    return [(name + words, one) for words, one in zip(["", *further], found.every, strict=True)]


def _of_its_size(perturbation: Perturbation) -> Perturbation:
    """Return it with the size that it has as its radius: resampling may have changed a 2-norm."""
    size = max(perturbation.size, torch.finfo(torch.float32).tiny)
    return replace(perturbation, threat=perturbation.threat.within(size))
