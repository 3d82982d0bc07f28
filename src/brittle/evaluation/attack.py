"""`attack`: image files in, adversarial PNG files out, each read back from disk and judged again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brittle.arguments import CountOrNone, checked, fitted
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes, refused
from brittle.core.attack import Attack
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
from brittle.evaluation.channelled import spelled_channel
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.compatibility import check_model_on_data, confidence_of, eot_samples_for
from brittle.evaluation.kept_words import words_of
from brittle.evaluation.part import without_final_query
from brittle.evaluation.plan import Planned, attack_for, plan, threat_for, threat_of, usual
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.subject import OpenedSubject, open_subject
from brittle.identity.compare import stated
from brittle.identity.sources import users_modules
from brittle.maths.losses import decided
from brittle.maths.quantization import TOP
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import IMAGES
from brittle.runs.lock import folder_held
from brittle.runs.place import check_folder, files_named
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.threats import MEASURES
from brittle.types import Images
from brittle.version import __version__


@checked
@telling_of_own_code()
def attack(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    images: DataLike | DataSpec,
    out: Path | str,
    *,
    question: Question | None = None,
    attack: str | Attack | None = None,
    effort: Effort | None = None,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
    **options: Any,
) -> list[Saved]:
    """Attack image files and save the adversarial images as PNG, at the size that the network sees.

    A deformation gets three more files of the same name: the four pictures side by side (`.vectors.png`), an animation
    from the original to the deformed image (`.moving.png`), and the field itself (`.safetensors`, key `field`).

    Rounding to 8 bits undoes small changes, so a change is searched on the 256 levels of a PNG (`quantization` of
    `run`), within the radius where one is given; the PNG is then read back from disk and judged.

    `attack.json` beside them says what every file is, with its digest. Killed at any moment and called again, it goes
    on after the last 16 images; finished and called again, it reads what it made. What another call made stays as it
    is.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        images: one image file, a folder, or whatever else `audit` takes; or a `DataSpec`.
        out: folder for the PNG files, made where it does not exist.
        question: the threat, by default l2, or the first other one that the attack knows; its radius, without which
            attacks that need one get the usual one; the class to reach, any other than the label by default; and the
            levels that a value may take, 256, or fewer where they are among these, such as 2, 4, 16 or 52.
        attack: as text, such as `pgd:steps=40`, or as a value, such as `PGD(steps=40)`; by default `deepfool`, or for
            a threat that it does not know `support-descent`, `patch-ascent` or `adef`.
        effort: budget, eot_samples, seed and device.
        force: replace the images that another call left in the folder.
        tell: told what is done to the images on their way to the network, and how classes were matched.
        **options: single fields of these values, as in `audit`.

    Returns:
        One entry per image.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    asked = Asked.of(model, images, question, effort, options, without=("batch",))
    seed, budget = asked.effort.seed or 0, asked.effort.budget
    target, quantization = fitted("target", asked.question.goal, CountOrNone | None), asked.question.quantization
    quantization = 256 if quantization is None else quantization
    if quantization < 2 or TOP % (quantization - 1):
        raise InputError(
            f"quantization is {quantization}; expected 256, or fewer levels that a PNG has: 2, 4, 6, 16, 18, 52, 86"
        )
    read, loaded = files_named(asked.model.spec, asked.data.spec, asked.model.weights), users_modules()
    check_folder(Path(out), IMAGES, read)
    threat, eps = threat_of(asked.question)
    attack = attack_for(threat) if attack is None else attack
    threat = threat or threat_for(attack)
    chosen = plan([attack], threat, usual(threat) if eps is None else eps)[0]
    subject = open_subject(asked.model, asked.data, device=asked.effort.device)
    source, remarks = match_classes(subject.network.classes, subject.source, asked.data.class_order)
    for line in subject.said(remarks):
        if tell is not None:
            tell(line)
    threat = chosen.threat if eps is None or chosen.info.kind == "fixed" else chosen.threat.within(eps)
    planned = Planned(chosen.info, chosen.attack, threat)
    look = partial(check_model_on_data, subject.classifier, source, target=target)
    if len(source):
        look(blank=budget is not None)
    eot_samples = asked.effort.eot_samples or eot_samples_for(
        subject.classifier, source, budget, subject.defended, subject.channel
    )
    confidence = confidence_of(asked.question.confidence, subject.defended)
    said = {"attack": repr(planned.attack), "norm and radius": repr(threat), "target": target, "seed": seed}
    said |= {
        "quantization": quantization,
        "budget": budget,
        "eot_samples": eot_samples,
        **({"confidence": confidence} if confidence else {}),
        "device": subject.device.partition(":")[0],
    }
    identity_fields = [planned.attack, threat]
    ask = partial(look, blank=True) if len(source) and budget is None else None
    identity = stated({**said, **_about(subject, source, loaded, identity_fields, ask)})
    with folder_held(Path(out)):
        check_folder(Path(out), IMAGES, read)
        folder = ImageFolder.open(Path(out), identity, force=force, about=words_of(asked.model, asked.data))
        job = _Job(
            subject.classifier,
            planned,
            target,
            seed,
            quantization,
            folder,
            without_final_query(budget, eot_samples),
            eot_samples,
            confidence,
        )
        for block in source.blocks(BLOCK, start=min(folder.next, len(source))):
            job.block(block, source.labelled)
        return folder.saved


def _about(
    subject: OpenedSubject,
    source: Source,
    loaded: set[str],
    chosen: Sequence[object],
    ask: Callable[[], object] | None,
) -> dict[str, object]:
    """Return what of network and images determines what is saved; `ask` asks the network where it may be asked."""
    origin = provenance(subject.network, subject.classifier, source, loaded, ask, chosen=chosen)
    return {
        **origin.plain(),
        "outputs": outputs_of(subject.classifier),
        **({} if subject.defended is None else {"defence": [subject.defended.text, subject.defended.attacked]}),
        **({} if subject.channel is None else {"channel": spelled_channel(subject.channel)}),
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
    quantization: int
    folder: ImageFolder
    budget: int | None
    eot_samples: int
    confidence: float

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
            quantization=self.quantization,
            budget=self.budget,
            eot_samples=self.eot_samples,
            confidence=self.confidence,
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
        with preserving_state(self.classifier.module, self.seed), torch.no_grad():
            images = images.to(self.classifier.device, self.classifier.dtype)
            return mean_logits(
                self.classifier, images, self.eot_samples, seed=self.seed, batch=len(images) * self.eot_samples
            ).cpu()

    def _met(self, logits: Tensor, label: int) -> Tensor:
        return logits.argmax(1) != label if self.target is None else logits.argmax(1) == self.target

    def _judged(self, path: Path, clean: Tensor, name: str, label: int, before: int, cost: float) -> Saved:
        image, threat = read_picture(path, clean), self.planned.threat
        outputs = self._logits(image[None])
        logits, change = of_classes(self.classifier, outputs), (image - clean).flatten()
        confidence, after = decided(logits)
        own = threat.on_images and threat.name not in MEASURES
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
            success=bool(self._met(logits, label) & ~refused(self.classifier, outputs)),
            already=False,
            norm=threat.name if own else None,
            size=float(threat.size(clean[None], image[None])) if own else None,
        )
