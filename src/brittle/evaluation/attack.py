"""`attack`: image files in, adversarial PNG files out, each read back from disk and judged again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from brittle.arguments import CountOrNone, checked, fitted, several
from brittle.classifiers.search_mode import SearchMode
from brittle.core.attack import Attack, search_of
from brittle.data import Source
from brittle.errors import InputError
from brittle.evaluation.adversarial_images import BLOCK, ImageFolder
from brittle.evaluation.attack_index import SavedAttack, SavedAttacks, check_index, write_index
from brittle.evaluation.attack_job import ImagesJob
from brittle.evaluation.channelled import spelled_channel
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.compatibility import check_model_on_data, confidence_of, eot_samples_for, search_mode
from brittle.evaluation.kept_words import words_of
from brittle.evaluation.part import without_final_query
from brittle.evaluation.plan import Planned, attack_for, plan, refuse_twice, threat_for, threat_of, usual
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.radius import unusual_radius
from brittle.evaluation.subject import OpenedSubject, open_subject
from brittle.identity.compare import stated
from brittle.identity.sources import users_modules
from brittle.maths.quantization import TOP
from brittle.plugins.own_code import telling_of_own_code
from brittle.remote import out_at_address
from brittle.runs.kinds import IMAGE_FOLDERS, IMAGES
from brittle.runs.lock import folder_held
from brittle.runs.place import check_folder, files_named
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question
from brittle.version import __version__


@checked
@telling_of_own_code()
@out_at_address
def attack(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    images: DataLike | DataSpec,
    out: Path | str,
    *,
    question: Question | None = None,
    attack: str | Attack | Sequence[str | Attack] | None = None,
    effort: Effort | None = None,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
    command: Sequence[str] = (),
    **options: Any,
) -> SavedAttacks:
    """Attack image files and save the adversarial images as PNG, each beside its original, as the network sees them.

    Files are called by number and classes: `0003-panda-gibbon.png` is the adversarial image of `0003-panda.png`. A
    deformation gets three more: the four pictures side by side (`.vectors.png`), an animation from the original to the
    deformed image (`.moving.png`), and the field itself (`.safetensors`, key `field`).

    Rounding to 8 bits undoes small changes, so a change is searched on the 256 levels of a PNG (`quantization` of
    `run`), within the radius where one is given; the PNG is then read back from disk and judged.

    `index.json` and `index.csv` list all images, with what was done; `write_report` makes a page of them. `attack.json`
    says what every file is, with its digest. Killed at any moment and called again, it goes on after the last 16
    images; finished and called again, it reads what it made. What another call made stays as it is.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        images: an image file or a list of them, a folder, or whatever else `audit` takes; or a `DataSpec`.
        out: folder for the files, or its address, made where it does not exist; several attacks get a folder each in
            it.
        question: the threat, by default l2, or the first other one that the attack knows; its radius, without which
            attacks that need one get the usual one; the class to reach, any other than the label by default; and the
            levels that a value may take, 256, or fewer where they are among these, such as 2, 4, 16 or 52.
        attack: as text, such as `pgd:steps=40`, or as a value, such as `PGD(steps=40)`; or several of them; by default
            `deepfool`, or for a threat that it does not know `support-descent`, `patch-ascent` or `adef`.
        effort: budget, eot_samples, batch (16 by default), seed and device.
        force: replace the images that another call left in the folder.
        tell: told what is done to the images on their way to the network, and how classes were matched.
        command: the command line, to be kept with them.
        **options: single fields of these values, as in `audit`.

    Returns:
        One entry per image and attack, with what was done.

    Raises:
        BrittleError: invalid input or an input/output failure.
    """
    asked = Asked.of(model, images, question, effort, options)
    target, levels = fitted("target", asked.question.goal, CountOrNone | None), _levels(asked.question.quantization)
    read, loaded, path = files_named(asked.model.spec, asked.data.spec, asked.model.weights), users_modules(), Path(out)
    planned = planned_of(None if attack is None else several(attack), asked.question)
    kind = IMAGES if len(planned) == 1 else IMAGE_FOLDERS
    check_folder(path, kind, read)
    subject = open_subject(asked.model, asked.data, device=asked.effort.device)
    source, remarks = match_classes(subject.network.classes, subject.source, asked.data.class_order)
    for line in subject.said(remarks):
        if tell is not None:
            tell(line)
    search = search_mode(asked.effort, [one.attack for one in planned], subject.classifier)
    call = _Call(asked, subject, source, target, levels, loaded, command, search, force=force)
    shape = call.look(blank=asked.effort.budget is not None)
    if tell is not None and shape is not None:
        for line in call.far_from_usual(planned, shape):
            tell(line)
    check_index(path, kind, force=force)
    made: list[SavedAttack] = []
    if len(planned) > 1:
        write_index(SavedAttacks(path, ()))
    for one in planned:
        folder = path if len(planned) == 1 else path / one.info.key
        check_folder(folder, IMAGES, read)
        with folder_held(folder):
            check_folder(folder, IMAGES, read)
            made.append(call.attacked(one, folder))
    done = SavedAttacks(path, tuple(made))
    write_index(done)
    return done


def planned_of(attacks: Sequence[str | Attack] | None, question: Question) -> list[Planned]:
    """Return the attacks, each with the threat that is asked about, or the first that it knows; None for the usual one.

    Raises:
        InputError: there are none, one is unknown or given twice, or it does not know the threat.
    """
    threat, eps = threat_of(question)
    attacks = [attack_for(threat)] if attacks is None else attacks
    if not attacks:
        raise InputError("there is no attack; give at least one, such as deepfool")
    found: list[Planned] = []
    for one in attacks:
        own = threat or threat_for(one)
        (chosen,) = plan([one], own, usual(own) if eps is None else eps)
        within = chosen.threat if eps is None or chosen.info.kind == "fixed" else chosen.threat.within(eps)
        taken = [other.info.key for other in found].count(chosen.info.key)
        key = chosen.info.key + (f"-{taken + 1}" if taken else "")
        found.append(Planned(chosen.info.model_copy(update={"key": key}), chosen.attack, within))
    refuse_twice(found)
    return found


def _levels(quantization: int | None) -> int:
    levels = 256 if quantization is None else quantization
    if levels < 2 or TOP % (levels - 1):
        raise InputError(
            f"quantization is {levels}; expected 256, or fewer levels that a PNG has: 2, 4, 6, 16, 18, 52, 86"
        )
    return levels


@dataclass(frozen=True)
class _Call:
    """What the attacks of a call share."""

    asked: Asked
    subject: OpenedSubject
    source: Source
    target: int | None
    levels: int
    loaded: set[str]
    command: Sequence[str]
    search: SearchMode
    force: bool

    def look(self, *, blank: bool) -> tuple[int, ...] | None:
        """Look whether network and images fit, and return the shape of an image; None where there are none."""
        if not len(self.source):
            return None
        return check_model_on_data(self.subject.classifier, self.source, target=self.target, blank=blank)

    def far_from_usual(self, planned: Sequence[Planned], shape: tuple[int, ...]) -> list[str]:
        """Say of radii that are far from the usual ones for images of a shape."""
        span, said = self.subject.classifier.bounds.span, dict[str, None]()
        for threat in [one.threat for one in planned if math.isfinite(one.threat.radius)]:
            said |= dict.fromkeys(unusual_radius(threat, float(threat.radius) / span, shape))
        return [*said]

    def attacked(self, planned: Planned, path: Path) -> SavedAttack:
        """Attack all images by one attack, into a folder that is held."""
        asked, subject, source = self.asked, self.subject, self.source
        seed, budget = asked.effort.seed or 0, asked.effort.budget
        eot_samples = asked.effort.eot_samples or eot_samples_for(
            subject.classifier, source, budget, subject.defended, subject.channel
        )
        confidence = confidence_of(asked.question.confidence, subject.defended)
        search = search_of(planned.attack, self.search)
        said = {
            "attack": repr(planned.attack),
            "norm and radius": repr(planned.threat),
            "target": self.target,
            "seed": seed,
            "quantization": self.levels,
            "budget": budget,
            "eot_samples": eot_samples,
            **({"confidence": confidence} if confidence else {}),
            **({"search": search.text} if search else {}),
            "device": subject.device.partition(":")[0],
        }
        ask = partial(self.look, blank=True) if len(source) and budget is None else None
        about = _about(subject, source, self.loaded, [planned.attack, planned.threat], ask)
        words = words_of(asked.model, asked.data)
        folder = ImageFolder.open(path, stated({**said, **about}), force=self.force, about=words, command=self.command)
        ImagesJob(
            *(subject.classifier, planned, self.target, seed, self.levels, folder),
            budget=without_final_query(budget, eot_samples),
            eot_samples=eot_samples,
            confidence=confidence,
            search=search,
            batch=asked.effort.batch or BLOCK,
            classes=self.classes,
        ).go(source)
        return SavedAttack(
            planned.info.spec,
            planned.threat,
            subject.network.spec,
            source.spec,
            tuple(self.classes),
            tuple(folder.saved),
            path,
            folder.created,
            folder.command,
        )

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes; empty where neither network nor images know them."""
        return self.subject.network.classes or self.source.classes


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
