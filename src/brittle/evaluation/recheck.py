"""A few rows of an earlier call asked anew before all of them are used again: what no digest sees shows here."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import of_classes
from brittle.core.inputs import placed
from brittle.core.randomness import is_randomised
from brittle.data import Source
from brittle.errors import RunError
from brittle.runs.schema import pixels_in
from brittle.runs.store import RunFolder
from brittle.types import Images, Logits, Mask

ASKED = 3
"""Images of each attack, clean and as attacked."""
LEAD = 0.02
"""A class that leads by more than this fraction of the logits' range is another decision, not another rounding."""
DRIFT = 0.05
"""Confidences that differ by more are those of another network."""
COLUMNS = ("index", "name", "clean_prediction", "clean_confidence", "prediction", "confidence", "success")
SHAPE = ("channels", "height", "width")
SHOWN = 3
"""Rows that an error lists."""


@dataclass(frozen=True)
class _Question:
    """An image with the answer that is stored."""

    what: str
    image: Tensor
    index: int
    prediction: int
    confidence: float
    attacked: bool


def ask_again(folder: RunFolder, done: Collection[tuple[int, str]], classifier: Classifier, source: Source) -> str:
    """Show a few finished images of each attack to the network once more, and compare with what is stored.

    Args:
        folder: the run that goes on.
        done: the parts that are there and whole, by block and attack.
        classifier: the network.
        source: the images.

    Returns:
        What was found, in one line. Where every query counts none is made, and the line says so.

    Raises:
        RunError: the network answers otherwise, or the images are others.
    """
    manifest = folder.manifest
    parts = f"{len(done):,} finished part{'s' if len(done) > 1 else ''} of an earlier call"
    if manifest.budget is not None:
        return f"Went on with {parts}; not asked anew, because of the budget of {manifest.budget:,} queries an image."
    by_attack = {attack.key: sorted(block for block, key in done if key == attack.key) for attack in manifest.attacks}
    questions = [one for key, blocks in by_attack.items() for one in _questions(folder, key, blocks, source)]
    wrong: list[str] = []
    for first in range(0, len(questions), manifest.batch):
        some = questions[first : first + manifest.batch]
        wrong += _compared(
            some, _answers(some, classifier, manifest.seed, manifest.eot_samples), classifier, manifest.eot_samples
        )
    count = f"{len(questions):,} of their images"
    if wrong and manifest.eot_samples == 1 and is_randomised(classifier, torch.stack([questions[0].image])):
        return f"Went on with {parts}; {count} were asked anew and cannot be compared, as the answers are random."
    if wrong:
        listed = "".join(f"\n  {line}" for line in wrong[:SHOWN])
        raise RunError(
            f"{folder.path} holds rows that this network does not give: of {len(questions):,} stored answers that were "
            f"asked anew {len(wrong):,} differ, so the network or the images changed where no digest sees it (a "
            f"service, a file read while it answers); give another folder to begin anew, this one stays as it is:"
            f"{listed}"
        )
    return f"Went on with {parts}; {count} were asked anew and answered as stored."


def _questions(folder: RunFolder, key: str, blocks: Sequence[int], source: Source) -> list[_Question]:
    """Choose images of an attack, from its first and its last part: broken ones that were kept as pictures first."""
    found: list[_Question] = []
    for place, block in enumerate(dict.fromkeys([*blocks[:1], *blocks[-1:]])):
        rows = _rows(folder, key, block)
        kept = [row for row in rows if row["adversarial"] is not None]
        chosen = [*kept, *(row for row in rows if row["adversarial"] is None)]
        for row in chosen[: 1 if place else ASKED - (len(blocks) > 1)]:
            clean = _image(source, row["index"])
            found.append(_question(row, f"clean image {row['index']} ({row['name']})", clean, "clean_", attacked=False))
            if row["adversarial"] is not None:
                image = torch.from_numpy(pixels_in(row, "adversarial")).float()
                found.append(_question(row, f"image {row['index']} as changed by {key}", image, "", attacked=True))
    return found


def _rows(folder: RunFolder, key: str, block: int) -> list[dict[str, Any]]:
    return folder.part(key, block, [*COLUMNS, *SHAPE, "adversarial"]).to_pylist()


def _question(row: dict[str, Any], what: str, image: Tensor, kind: str, *, attacked: bool) -> _Question:
    return _Question(what, image, row["index"], row[f"{kind}prediction"], row[f"{kind}confidence"], attacked)


def _image(source: Source, index: int) -> Tensor:
    block = next(source.blocks(1, start=index))
    if not len(block):
        raise RunError(f"image {index} of {source.spec} could be read in an earlier call and cannot be read now")
    return block.images[0]


def _answers(questions: Sequence[_Question], classifier: Classifier, seed: int, eot_samples: int) -> Logits:
    """Ask as `run` does."""
    images: Images = placed(torch.stack([question.image for question in questions]), classifier)
    with preserving_state(classifier.module, seed), torch.no_grad():
        outputs = mean_logits(classifier, images, eot_samples, seed=seed, batch=len(images) * eot_samples)
    return of_classes(classifier, outputs).double().cpu()


def _compared(questions: Sequence[_Question], logits: Logits, classifier: Classifier, eot_samples: int) -> list[str]:
    """Describe the answers that are not as stored, beyond what rounding and sampling explain."""
    stored = torch.tensor([question.prediction for question in questions])
    known = stored < logits.shape[1]
    chances = logits.softmax(1)
    place = stored.clamp(max=logits.shape[1] - 1)[:, None]
    confidence = torch.tensor([question.confidence for question in questions], dtype=torch.float64)
    drift = (chances.gather(1, place)[:, 0] - confidence).abs()
    lead = (logits.amax(1) - logits.gather(1, place)[:, 0]) / (logits.amax(1) - logits.amin(1)).clamp_min(1e-300)
    differs: Mask = ~known | (drift > _allowed(eot_samples)) | ((lead > LEAD) & (eot_samples == 1))
    attacked = torch.tensor([question.attacked for question in questions])
    if classifier.labels is not None and int((differs & attacked).sum()) * 2 <= int(attacked.sum()):
        differs &= ~attacked  # a class alone does not tell a step over the boundary from another network
    return [
        f"{questions[row].what}: class {questions[row].prediction} at {questions[row].confidence:.1%} stored, "
        f"class {int(logits[row].argmax())} at {float(chances[row].max()):.1%} now"
        for row in differs.nonzero()[:, 0].tolist()
    ]


def _allowed(eot_samples: int) -> float:
    """Four standard deviations of a mean of numbers between 0 and 1, where there are several samples."""
    return DRIFT if eot_samples == 1 else max(DRIFT, 2 / eot_samples**0.5)
