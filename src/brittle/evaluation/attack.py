"""`attack`: image files in, adversarial PNG files out, each read back from disk and judged again."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from brittle.core.classifier import Classifier
from brittle.core.draws import mean_logits
from brittle.core.goal import Targeted
from brittle.core.run import run
from brittle.core.still import undisturbed
from brittle.data import Block, Source
from brittle.errors import InputError, RunError, quoted
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.first_look import draws_for
from brittle.evaluation.part import before_saving
from brittle.evaluation.plan import DEFAULT_RADIUS, Planned, norm_of, plan
from brittle.evaluation.subject import open_subject
from brittle.files import cannot_write, check_names, write_atomically
from brittle.maths.geometry import warp
from brittle.maths.losses import decided
from brittle.models import Network
from brittle.names import plain_name
from brittle.pictures import animate, sheet
from brittle.types import Images

DEPTH = 255
"""Number of the highest level of an 8-bit PNG."""
FRAMES = 13
"""Pictures of an animation, from the original to the deformed image."""


@dataclass(frozen=True)
class Saved:
    """An adversarial PNG.

    Attributes:
        source: the name of the image attacked.
        path: the PNG; None where nothing adversarial was found.
        label: the class it had: the true one where it is known, otherwise the one predicted.
        before, after: predicted classes of the clean image and of the PNG as read back.
        confidence: of `after`.
        linf, l2: norms of the change in the PNG.
        cost: share by which rounding to the levels of the PNG made the change larger, by the attack's norm; negative
            where the search on them found a smaller one, None without a PNG and for deformations.
        success: whether the PNG, read back from disk, meets the goal.
        already: the clean image met the goal before any change.
        flow: longest vector of the deformation, in pixels; None for other changes.
        lost: the attack succeeded, but no image on the levels of a PNG was found that does.
    """

    source: str
    path: Path | None
    label: int
    before: int
    after: int
    confidence: float
    linf: float
    l2: float
    cost: float | None
    success: bool
    already: bool
    flow: float | None = None
    lost: bool = False


def attack(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    model: str | Network,
    images: str | Source,
    out: Path | str,
    *,
    attack: str = "deepfool",
    norm: str | None = None,
    eps: float | None = None,
    target: int | None = None,
    limit: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    labels: int | None = None,
    budget: int | None = None,
    draws: int | None = None,
    resize: int | None = None,
    crop: int | None = None,
    skip_bad: bool = False,
    class_order: str = "auto",
    lattice: int = 256,
    tell: Callable[[str], None] | None = None,
) -> list[Saved]:
    """Attack image files and save the adversarial images as PNG, at the size that the network sees.

    A deformation gets three more files of the same name: the four pictures side by side (`.vectors.png`), an animation
    from the original to the deformed image (`.moving.png`), and the field itself (`.safetensors`, key `field`).

    Rounding to 8 bits undoes small changes, so a change is searched on the 256 levels of a PNG (`lattice` of `run`),
    within the radius where one is given; the PNG is then read back from disk and judged.

    Args:
        model: what `open_network` understands, or a network.
        images: one image file, a folder, or any other source of images.
        out: folder for the PNG files, made where it does not exist.
        attack: as text, such as `pgd:steps=40`.
        norm: linf, l2, l1, l0, pixels or flow; by default l2, or the first other one that the attack knows.
        eps: the radius in the units of the images, for flow in pixels; attacks that need one get the norm's usual one
            by default.
        target: the class to reach; any other than the label by default.
        limit: use the first so many images.
        device: where to run.
        seed: of all random draws.
        weights: safetensors for architectures and factories.
        dtype: the network's number format, as in `open_network`.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        labels: the outputs are class numbers, of so many classes.
        budget: most queries for each image: the clean pass, the attack, the verifying pass and the look at
            what was saved with 8 bits. More are not asked; see `run`.
        draws: how often a randomised network is asked about every point, as in `audit`; by default 20 times where it is
            seen to answer differently.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read.
        class_order: as in `audit`.
        lattice: number of levels that a value may take; fewer than the 256 of a PNG where they are among these, such as
            2, 4, 16 or 52.
        tell: told what is done to the images on their way to the network, and how classes were matched.

    Returns:
        One entry per image.

    Raises:
        BrittleError: anything that cannot be meant or done.
    """
    if lattice < 2 or DEPTH % (lattice - 1):
        raise InputError(f"lattice is {lattice}; expected 256, or fewer levels that a PNG has: 2, 4, 6, 16, 18, 52, 86")
    folder = Path(out)
    check_names(folder / ("n" * 99))
    norm = norm or norm_of(attack)
    chosen = plan([attack], norm, DEFAULT_RADIUS.get(norm) if eps is None else eps)[0]
    subject = open_subject(
        model,
        images,
        weights=weights,
        dtype=dtype,
        binary=binary,
        probabilities=probabilities,
        labels=labels,
        device=device,
        limit=limit,
        resize=resize,
        crop=crop,
        skip_bad=skip_bad,
        class_order=class_order,
    )
    source, remarks = match_classes(subject.network.classes, subject.source, class_order)
    for line in subject.said(remarks):
        if tell is not None:
            tell(line)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be made: {quoted(error.strerror or error)}; give a folder you may write to"
        ) from error
    threat = chosen.threat if eps is None or chosen.info.kind == "fixed" else chosen.threat.within(eps)
    planned = Planned(chosen.info, chosen.attack, threat)
    draws = draws or draws_for(subject.classifier, source, budget)
    job = _Job(subject.classifier, planned, target, seed, lattice, folder, before_saving(budget, draws), draws)
    saved: list[Saved] = []
    for block in source.blocks(16):
        saved.extend(job.block(block, source.labelled))
    return saved


@dataclass(frozen=True)
class _Job:
    classifier: Classifier
    planned: Planned
    target: int | None
    seed: int
    lattice: int
    folder: Path
    budget: int | None
    draws: int

    def block(self, block: Block, labelled: bool) -> list[Saved]:
        if not len(block):
            return []
        goal = None if self.target is None else Targeted(torch.full_like(block.labels, self.target))
        result = run(
            self.planned.attack,
            self.classifier,
            block.images,
            block.labels if labelled and goal is None else None,
            goal=goal,
            threat=self.planned.threat,
            seed=self.seed,
            batch=16,
            ids=block.index,
            lattice=self.lattice,
            budget=self.budget,
            draws=self.draws,
        )
        unrounded = result.size if result.size_unrounded is None else result.size_unrounded
        costs = (result.size / unrounded - 1).tolist()
        before = result.clean_prediction.tolist()
        labels = block.labels.tolist() if labelled else before
        rows: list[Saved] = []
        for row, name in enumerate(block.names):
            label, already = labels[row], bool(result.already[row])
            if not result.success[row]:
                guess = before[row]
                sure = float(result.confidence[row])
                lost = not already and math.isfinite(unrounded[row])
                rows.append(Saved(name, None, label, guess, guess, sure, 0, 0, None, False, already, lost=lost))
                continue
            path = self.folder / f"{int(block.index[row]):05d}-{_plain(name)}.png"
            _save(result.adversarial[row], path)
            saved = self._judged(path, block.images[row], name, label, before[row], costs[row])
            if result.field is not None:
                saved = replace(saved, cost=None, flow=float(result.flow[row]))
                _save_deformation(block.images[row], result.adversarial[row], result.field[row].cpu(), path)
            rows.append(saved)
        return rows

    def _logits(self, images: Images) -> Tensor:
        with undisturbed(self.classifier.module, self.seed), torch.no_grad():
            images = images.to(self.classifier.device)
            return mean_logits(
                self.classifier, images, self.draws, seed=self.seed, batch=len(images) * self.draws
            ).cpu()

    def _met(self, logits: Tensor, label: int) -> Tensor:
        return logits.argmax(1) != label if self.target is None else logits.argmax(1) == self.target

    def _judged(self, path: Path, clean: Tensor, name: str, label: int, before: int, cost: float) -> Saved:
        image = _read(path, clean)
        logits = self._logits(image[None])
        change = (image - clean).flatten()
        confidence, after = decided(logits)
        return Saved(
            source=name,
            path=path,
            label=label,
            before=before,
            after=int(after),
            confidence=float(confidence),
            linf=float(change.abs().max()),
            l2=float(change.norm()),
            cost=cost,
            success=bool(self._met(logits, label)),
            already=False,
        )


def _save(image: Tensor, path: Path) -> None:
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if levels.shape[2] not in (1, 3):
        raise InputError(f"an image of {levels.shape[2]} channels is no PNG; expected 1 or 3")
    try:
        Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels).save(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def _save_deformation(clean: Tensor, adversarial: Tensor, field: Tensor, path: Path) -> None:
    original, deformed, vectors = (tensor.cpu().numpy().astype(np.float64) for tensor in (clean, adversarial, field))
    share = torch.linspace(0, 1, FRAMES)[:, None, None, None].to(field)
    frames = warp(clean.cpu().expand(FRAMES, -1, -1, -1), share * field)
    try:
        sheet(original, deformed, vectors).save(path.with_suffix(".vectors.png"))
        animate([one.numpy().astype(np.float64) for one in frames], path.with_suffix(".moving.png"))
        write_atomically(path.with_suffix(".safetensors"), save({"field": field.contiguous()}))
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def _read(path: Path, like: Tensor) -> Tensor:
    with Image.open(path) as picture:
        levels = np.asarray(picture).reshape(like.shape[1], like.shape[2], like.shape[0])
    return torch.from_numpy(levels.copy()).permute(2, 0, 1).to(like.dtype) / 255


def _plain(name: str) -> str:
    return plain_name(Path(name).stem) or "image"
