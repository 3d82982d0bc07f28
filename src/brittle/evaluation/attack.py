"""`attack`: image files in, adversarial PNG files out, each read back from disk and judged again."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from brittle.arguments import Count, CountOrNone, Device, FileName, Seed, checked
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.draws import mean_logits
from brittle.classifiers.still import undisturbed
from brittle.core.goal import Targeted
from brittle.core.run import run
from brittle.data import Block, Source
from brittle.errors import InputError
from brittle.evaluation.adversarial_images import (
    BLOCK,
    ImageFolder,
    Saved,
    file_name,
    read_picture,
    save_deformation,
    save_picture,
)
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.first_look import draws_for
from brittle.evaluation.part import before_saving
from brittle.evaluation.plan import Planned, norm_of, plan
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.subject import Subject, open_subject
from brittle.identity.compare import stated
from brittle.identity.sources import users_modules
from brittle.maths.losses import decided
from brittle.models import Network
from brittle.runs.kinds import IMAGES
from brittle.runs.lock import folder_held
from brittle.runs.place import check_folder, files_named
from brittle.threats import parse_threat
from brittle.types import Images
from brittle.version import __version__

DEPTH = 255
"""Number of the highest level of an 8-bit PNG."""


@checked
def attack(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    model: FileName | Network,
    images: FileName | Source,
    out: Path | str,
    *,
    attack: str = "deepfool",
    norm: str | None = None,
    eps: float | None = None,
    target: CountOrNone | None = None,
    limit: Count | None = None,
    device: Device = "cpu",
    seed: Seed = 0,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    labels: int | None = None,
    budget: Count | None = None,
    draws: Count | None = None,
    resize: Count | None = None,
    crop: Count | None = None,
    skip_bad: bool = False,
    class_order: str = "auto",
    lattice: int = 256,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
) -> list[Saved]:
    """Attack image files and save the adversarial images as PNG, at the size that the network sees.

    A deformation gets three more files of the same name: the four pictures side by side (`.vectors.png`), an animation
    from the original to the deformed image (`.moving.png`), and the field itself (`.safetensors`, key `field`).

    Rounding to 8 bits undoes small changes, so a change is searched on the 256 levels of a PNG (`lattice` of `run`),
    within the radius where one is given; the PNG is then read back from disk and judged.

    `attack.json` beside them says what every file is, with its digest. Killed at any moment and called again, it goes
    on after the last 16 images; finished and called again, it reads what it made. What another call made stays as it
    is.

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
        force: replace the images that another call left in the folder.
        tell: told what is done to the images on their way to the network, and how classes were matched.

    Returns:
        One entry per image.

    Raises:
        BrittleError: anything that cannot be meant or done.
    """
    if lattice < 2 or DEPTH % (lattice - 1):
        raise InputError(f"lattice is {lattice}; expected 256, or fewer levels that a PNG has: 2, 4, 6, 16, 18, 52, 86")
    read, loaded = files_named(model, images, weights), users_modules()
    check_folder(Path(out), IMAGES, read)
    norm = norm or norm_of(attack)
    chosen = plan([attack], norm, parse_threat(norm).default_radius if eps is None else eps)[0]
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
    threat = chosen.threat if eps is None or chosen.info.kind == "fixed" else chosen.threat.within(eps)
    planned = Planned(chosen.info, chosen.attack, threat)
    draws = draws or draws_for(subject.classifier, source, budget)
    said = {"attack": repr(planned.attack), "norm and radius": repr(threat), "target": target, "seed": seed}
    said |= {"lattice": lattice, "budget": budget, "draws": draws, "device": device.partition(":")[0]}
    identity = stated({**said, **_about(subject, source, loaded, asks=budget is None)})
    with folder_held(Path(out)):
        check_folder(Path(out), IMAGES, read)
        folder = ImageFolder.open(Path(out), identity, force=force)
        job = _Job(subject.classifier, planned, target, seed, lattice, folder, before_saving(budget, draws), draws)
        for block in source.blocks(BLOCK, start=min(folder.next, len(source))):
            job.block(block, source.labelled)
        return folder.saved


def _about(subject: Subject, source: Source, loaded: set[str], *, asks: bool) -> dict[str, object]:
    """Return what of network and images determines what is saved; the network is asked only where it may be."""

    def ask() -> None:
        with undisturbed(subject.classifier.module), torch.no_grad(), suppress(Exception):
            block = next((block for block in source.blocks(1) if len(block)), None)  # what is wrong, `run` says later
            if block is not None:
                subject.classifier.logits(block.images.to(subject.classifier.device, subject.classifier.dtype))

    if asks:
        ask()
    origin = provenance(subject.network, subject.classifier, source, loaded, ask if asks else None)
    return {
        **origin.plain(),
        "outputs": outputs_of(subject.classifier),
        "network": subject.network.digest,
        "images": source.digest(again=True),
        "classes": source.relabelled and list(source.relabelled),
        "fit": asdict(source.fit),
        "versions": {"brittle": __version__, "torch": str(torch.__version__)},
    }


@dataclass(frozen=True)
class _Job:
    classifier: Classifier
    planned: Planned
    target: int | None
    seed: int
    lattice: int
    folder: ImageFolder
    budget: int | None
    draws: int

    def block(self, block: Block, labelled: bool) -> None:
        """Attack a block of images and save it."""
        if not len(block):
            self.folder.add([])
            return
        goal = None if self.target is None else Targeted(torch.full_like(block.labels, self.target))
        result = run(
            self.planned.attack,
            self.classifier,
            block.images,
            block.labels if labelled and goal is None else None,
            goal=goal,
            threat=self.planned.threat,
            seed=self.seed,
            batch=BLOCK,
            ids=block.index,
            lattice=self.lattice,
            budget=self.budget,
            draws=self.draws,
        )
        unrounded = result.size if result.size_unrounded is None else result.size_unrounded
        costs = (result.size / unrounded - 1).tolist()
        before = result.clean_prediction.tolist()
        labels = block.labels.tolist() if labelled else before
        names = [file_name(int(index), name) for index, name in zip(block.index, block.names, strict=True)]
        self.folder.announce([name for row, name in enumerate(names) if result.success[row]], result.field is not None)
        rows: list[Saved] = []
        for row, name in enumerate(block.names):
            label, already = labels[row], bool(result.already[row])
            if not result.success[row]:
                guess = before[row]
                sure = float(result.confidence[row])
                lost = not already and math.isfinite(unrounded[row])
                rows.append(Saved(name, None, label, guess, guess, sure, 0, 0, None, False, already, lost=lost))
                continue
            path = self.folder.path / names[row]
            save_picture(result.adversarial[row], path)
            saved = self._judged(path, block.images[row], name, label, before[row], costs[row])
            if result.field is not None:
                saved = replace(saved, cost=None, flow=float(result.flow[row]))
                save_deformation(block.images[row], result.adversarial[row], result.field[row].cpu(), path)
            rows.append(saved)
        self.folder.add(rows)

    def _logits(self, images: Images) -> Tensor:
        with undisturbed(self.classifier.module, self.seed), torch.no_grad():
            images = images.to(self.classifier.device)
            return mean_logits(
                self.classifier, images, self.draws, seed=self.seed, batch=len(images) * self.draws
            ).cpu()

    def _met(self, logits: Tensor, label: int) -> Tensor:
        return logits.argmax(1) != label if self.target is None else logits.argmax(1) == self.target

    def _judged(self, path: Path, clean: Tensor, name: str, label: int, before: int, cost: float) -> Saved:
        image = read_picture(path, clean)
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
