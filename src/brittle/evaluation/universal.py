"""`universal`: one perturbation for all images, saved with how it was made and what it does to unseen images."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from brittle.core.bounds import Bounds
from brittle.core.seeds import Streams
from brittle.core.still import undisturbed
from brittle.core.threat import Lp
from brittle.data import Noise, Source
from brittle.errors import InputError
from brittle.evaluation.command import command_line
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.radius import check_reach
from brittle.evaluation.spec import parse_universal
from brittle.evaluation.subject import Subject, open_subject
from brittle.evaluation.universal_rows import outcome, write_outcomes
from brittle.files import check_names
from brittle.identity.sources import users_modules
from brittle.metrics import Estimate
from brittle.models import Network
from brittle.registry import UNIVERSAL
from brittle.types import Images
from brittle.universal.excitation import Excitation
from brittle.universal.images import ImageSet
from brittle.universal.perturbation import Perturbation
from brittle.universal.problem import unheard
from brittle.universal.search import Pass, UniversalProblem, find_universal
from brittle.version import __version__

NORMS = ("linf", "l2")
LINF, L2, PUBLISHED_VALUES = 10 / 255, 2000 / 255, 3 * 224 * 224
"""The radii of Moosavi-Dezfooli et al., CVPR 2017, section 3, and the number of values of their images."""
READ = 100
"""Images decoded at a time."""
ON_LEVEL = 1e-3
"""A value this near to one of 8 bits, in levels, is that one."""


@dataclass(frozen=True)
class Universal:
    """A universal perturbation with what it does.

    Attributes:
        path: the safetensors file.
        rows: a Parquet file with a row for every image: its class with and without the perturbation.
        perturbation: what the file holds.
        seen, unseen: fooling rates on the images that it was made from and on those kept aside; None without such.
        noise: the fooling rate of uniform noise of the same norm on the unseen images (on X where there are none).
    """

    path: Path
    rows: Path
    perturbation: Perturbation
    seen: Estimate
    unseen: Estimate | None
    noise: Estimate

    @property
    def said(self) -> list[str]:
        """What was done to the images on their way to the network, in sentences."""
        return [*cast("Sequence[str]", self.perturbation.made.get("said", ()))]

    def plain(self) -> dict[str, object]:
        """Return all figures as JSON can hold them."""
        unseen = None if self.unseen is None else asdict(self.unseen)
        return {
            "perturbation": str(self.path),
            "rows": str(self.rows),
            "size": self.perturbation.size,
            "fooling": {"seen": asdict(self.seen), "unseen": unseen, "noise": asdict(self.noise)},
            "made": dict(self.perturbation.made),
        }


def universal(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    model: str | Network,
    data: str | Source | None,
    out: Path | str,
    *,
    attack: str = "ascent",
    norm: str = "linf",
    eps: float | None = None,
    unseen: int | None = None,
    limit: int | None = None,
    batch: int = 64,
    device: str = "cpu",
    seed: int = 0,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    resize: int | None = None,
    crop: int | None = None,
    skip_bad: bool = False,
    watch: Callable[[Pass], None] | None = None,
    progress: Callable[[float], None] | None = None,
    looking: Callable[[float], None] | None = None,
) -> Universal:
    """Make one perturbation for all images, and say what it does to images that it has not seen.

    No label is used: an image is fooled when the network's class is another one than without the perturbation. Killed
    at any moment and called again, the search goes on after the last finished pass.

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
    method, path = parse_universal(attack), Path(out)
    check_names(path, *(path.with_suffix(ending) for ending in (".checkpoint", ".rows.parquet", ".html")))
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
    split = _Split.of(subject, unseen, batch, seed)
    threat = Lp(norm, usual_radius(norm, split.seen.shape) if eps is None else eps)
    check_reach(threat, split.seen.shape, subject.classifier.bounds)
    problem = UniversalProblem(subject.classifier, split.seen.shape, threat, split.seen, seed, progress or unheard)
    about = _about(subject, split, device, loaded)
    checkpoint = path.with_suffix(".checkpoint")
    identity = json.dumps({name: value for name, value in about.items() if name not in ("network", "data", "device")})
    found = find_universal(method, problem, checkpoint=checkpoint, identity=identity, watch=watch)
    kinds: dict[str, object] = {"from_images": method.needs_images, "noise": isinstance(subject.source, Noise)}
    options: dict[str, object] = {"data": None if data is None else subject.source.spec, "out": path.name}
    options |= {"attack": attack, "norm": norm, "eps": float(threat.radius), "unseen": unseen, "limit": limit}
    options |= {"batch": batch, "device": device, "seed": seed, "weights": weights, "dtype": dtype, "binary": binary}
    options |= {"probabilities": probabilities, "resize": resize, "crop": crop, "skip_bad": skip_bad}
    kinds |= {"said": said, "command": command_line(["universal", subject.network.spec], options)}
    found = replace(found, made={**found.made, **about, "attack": attack, **kinds})
    result = _judged(path, found, split, seed, subject, looking or unheard)
    checkpoint.unlink(missing_ok=True)
    return result


def usual_radius(norm: str, shape: tuple[int, int, int]) -> float:
    """Return the radius of Moosavi-Dezfooli et al., CVPR 2017: 10/255 in linf; in l2 the same change per value.

    Example:
        >>> usual_radius("l2", (3, 224, 224)) * 255
        2000.0
    """
    return LINF if norm == "linf" else L2 * math.sqrt(math.prod(shape) / PUBLISHED_VALUES)


def random_like(perturbation: Perturbation, seed: int) -> Tensor:
    """Return random noise of the same norm: uniform in the box for linf, of that very length for l2; (c, h, w)."""
    threat, first = perturbation.threat, torch.zeros(1, dtype=torch.int64)
    nothing = torch.zeros((1, *perturbation.tensor.shape))
    drawn = threat.draw(nothing, Streams(seed, first), first, Bounds())[0]
    return drawn if threat.name == "linf" else drawn * (float(threat.radius) / drawn.norm())


@dataclass(frozen=True)
class _Split:
    """The images that a perturbation is made from and those kept aside, with their places in the source."""

    seen: ImageSet
    unseen: ImageSet | None
    names: tuple[list[str], list[str]]
    places: tuple[list[int], list[int]]

    @classmethod
    def of(cls, subject: Subject, unseen: int | None, batch: int, seed: int) -> "_Split":
        """Hold all images as 8-bit values, and part them by a permutation that the seed determines."""
        blocks = [block for block in subject.source.blocks(READ) if len(block)]
        if not blocks:
            raise InputError(f"{subject.source.spec} holds no images that can be read")
        images = torch.cat([_compact(block.images) for block in blocks])
        names, index = [name for block in blocks for name in block.names], torch.cat([block.index for block in blocks])
        count = len(images)
        aside = count // 2 if unseen is None else unseen
        if not 0 <= aside < count:
            raise InputError(
                f"unseen is {aside}, and there are {count} images; at least one must be left to make it from"
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        parts = order[: count - aside], order[count - aside :]
        sets = [ImageSet(subject.classifier, images[part], batch) if len(part) else None for part in parts]
        assert sets[0] is not None
        return cls(
            sets[0],
            sets[1],
            ([names[row] for row in parts[0].tolist()], [names[row] for row in parts[1].tolist()]),
            (index[parts[0]].tolist(), index[parts[1]].tolist()),
        )

    @property
    def groups(self) -> list[tuple[str, ImageSet, list[str], list[int]]]:
        """Return what there is as (kind, images, names, places)."""
        both = zip(("seen", "unseen"), (self.seen, self.unseen), self.names, self.places, strict=True)
        return [(kind, images, names, places) for kind, images, names, places in both if images is not None]


def _compact(images: Images) -> Tensor:
    """Return images as 8-bit levels where they lie on them, as nearly all do; a quarter of the memory."""
    levels = images * 255
    return levels.round().to(torch.uint8) if bool(((levels - levels.round()).abs() < ON_LEVEL).all()) else images


def _about(subject: Subject, split: _Split, device: str, loaded: set[str]) -> dict[str, object]:
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


def _judged(
    path: Path, found: Perturbation, split: _Split, seed: int, subject: Subject, looking: Callable[[float], None]
) -> Universal:
    """Show the perturbation to all images once more, and write both files."""
    noise = random_like(found, seed)
    groups = split.groups
    done, total = 0, sum(len(images) for _, images, _, _ in groups)

    def looked(count: int) -> None:
        nonlocal done
        done += count
        looking(done / total)

    outcomes = [outcome(*group, found.tensor, noise, looked) for group in groups]
    rates = {table.kind: table.fooled("class_perturbed") for table in outcomes}
    random = outcomes[-1].fooled("class_noise")
    shown = {"seen": asdict(rates["seen"]), "noise": asdict(random)}
    if "unseen" in rates:
        shown["unseen"] = asdict(rates["unseen"])
    result = replace(found, made={**found.made, "fooling": shown})
    rows = path.with_suffix(".rows.parquet")
    write_outcomes(rows, outcomes, tuple(subject.network.classes or subject.source.classes))
    result.save(path)
    return Universal(path, rows, result, rates["seen"], rates.get("unseen"), random)
