"""Checks of what the network says: its inputs, its outputs, and whether it says the same again."""

import torch
from torch.nn import functional

from brittle.attacks.apgd import APGD
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.probabilities import seem_probabilities, seem_sigmoid
from brittle.classifiers.refusals import of_classes
from brittle.core.attack import Attack
from brittle.core.inputs import placed
from brittle.core.randomness import DISTANCE, LOOKS, disagreement
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import STABILITY, HealthContext
from brittle.health.sources import AUTOATTACK, CHECKLIST, INDICATORS, ROBUSTBENCH
from brittle.maths.losses import logit_margin
from brittle.metrics.rows import integers
from brittle.tolerance import in_range
from brittle.types import HALF_TYPES
from brittle.words import plural

NARROW = 0.1
"""Fraction of the bounds' span that images should at least fill; ours."""
NEIGHBOURHOOD = 8 / 255
"""Width of the noise around an image, as a fraction of the span (indicators.py: r = 8/255)."""
POINTS = 100
"""Noisy points in all (indicators.py: gamma = 100 for each image)."""
FEWEST_IMAGES, FEWEST_POINTS = 8, 2
"""Around fewer images there is no verdict: the points around one image are one observation; ours."""
CLOSER = 4
"""How many times smaller the second noise is; a function that has gradients there changes as many times less."""
ROUGH = (0.5, 0.75)
"""Fractions of the change that may remain within the smaller noise before the check warns and fails; ours."""
BY_CHANCE = (0.1, 0.25)
"""Fractions of predictions by the mean over other samples that may differ before the check warns and fails; ours."""
ALONE = 1e-3
"""Between logits of length 1 of an image alone and among others; other kernels round differently; ours."""


def _images(case: HealthContext) -> Outcome:
    lowest, highest = (float(value) for value in case.images.aminmax())
    lower, upper = case.classifier.bounds.lower, case.classifier.bounds.upper
    kind = str(case.classifier.dtype).removeprefix("torch.")
    halves = sorted({str(one.dtype)[6:] for one in case.meter.parameters() if one.dtype in HALF_TYPES})
    text = (
        f"{lowest:.3g} to {highest:.3g} over {plural(len(case.images), 'image')}, {kind}, bounds {lower:g} to {upper:g}"
    )
    filled = (highest - lowest) / case.span
    if not in_range(lowest, highest, lower, upper):
        return Outcome("fail", text, filled)
    if halves:
        kinds = " and ".join(halves)
        return Outcome(
            "warn", f"{text}; weights in {kinds}: changes finer than {kinds} tells apart are not seen", filled
        )
    return Outcome("pass" if filled >= NARROW else "fail", text, filled)


IMAGES = Check(
    "images",
    "Range and type of the images",
    f"Within the bounds, filling at least {NARROW:.0%} of them; the network's weights in float32 or float64.",
    f"{ROBUSTBENCH} (images in the bounds that the model states); the threshold is ours",
    "Give images in the bounds' units: divide by 255 once, and keep the normalisation inside the network.",
    _images,
    asks=False,
    error="either",
)


def _mode(case: HealthContext) -> Outcome:
    with preserving_state(case.meter, case.seed), torch.no_grad():
        case.logits(case.shown[:1])
        training = [name for name, part in case.meter.named_modules() if name and part.training]
    named = f" ({', '.join(training[:3])})" if training else ""
    text = f"{len(training)} of the network's modules in training mode after a forward pass{named}"
    return Outcome("fail" if training else "pass", text, float(len(training)))


MODE = Check(
    "mode",
    "Evaluation mode",
    "No module is in training mode during a forward pass.",
    ROBUSTBENCH,
    "Do not call train() inside forward, and let eval() reach every module.",
    _mode,
    error="either",
)


def _randomised(case: HealthContext) -> Outcome:
    right = (case.outputs.argmax(2) == case.labels[: case.probed].to(case.outputs.device)).sum(1)
    distance = disagreement(case.outputs)
    counts = f"{int(right.min())} to {int(right.max())}" if int(right.min()) < int(right.max()) else int(right.min())
    text = f"largest distance {distance:.2g} in {LOOKS} passes over {plural(case.probed, 'image')}, "
    text += f"{counts} right each time"
    same = distance <= DISTANCE and int(right.min()) == int(right.max())
    if not same and case.eot_samples > 1:
        status = "pass" if case.known else "warn"  # a defence that draws is known to, and by its own number of samples
        return Outcome(status, f"{text}; attacked and judged by the mean over {case.eot_samples} samples", distance)
    return Outcome("pass" if same else "fail", text, distance)


RANDOMISED = Check(
    "randomised",
    "Same answer every time",
    f"In {LOOKS} passes over the same images the number right is the same and logits of length 1 differ by at most "
    f"{DISTANCE:g}.",
    f"{AUTOATTACK}, check_randomized",
    "Attack the mean over several samples of the network (--eot-samples 20), and say that the figures are those of the "
    "mean; or fix its "
    "randomness.",
    _randomised,
    error="either",
)


def _probabilities(case: HealthContext) -> Outcome:
    logits = case.outputs[0]
    if not case.meter.classifier.probabilities:
        single = case.meter.classifier.binary
        soft = seem_sigmoid(logits[:, 1]) if single else seem_probabilities(logits)
        text = f"outputs from {float(logits.min()):.3g} to {float(logits.max()):.3g}"
        said = ", on both sides of 1/2" if single else ", every row sums to 1"
        return Outcome("fail" if soft else "pass", text + (said if soft else ""))
    certain = float((logits.amax(1) == 0).double().mean())
    text = f"{certain:.0%} of {plural(case.probed, 'image')} have a probability that rounds to 1"
    if not case.attacked():
        return Outcome("pass", f"Said to be probabilities, and attacked without gradients; {text}", certain)
    return Outcome(
        "warn", f"Said to be probabilities, whose gradients vanish as they round to 0 and 1; {text}", certain
    )


PROBABILITIES = Check(
    "logits",
    "Logits, not probabilities",
    "Outputs do not all lie in 0..1 with rows that sum to 1 (to 1e-5, or to what their rounding explains); a single "
    "output does not lie in 0..1 on both sides of 1/2.",
    f"{AUTOATTACK}, check_range_output; the rules for rounded and single outputs are ours",
    "Remove the softmax or sigmoid from the network's end, or attack it without gradients.",
    _probabilities,
)


def _classes(case: HealthContext) -> Outcome:
    count = of_classes(case.classifier, case.outputs).shape[2]
    wrong = [attempt.title for attempt in case.attempts if _classes_needed(attempt.attack, count) > count]
    text = f"{count} classes" + (f", too few for {', '.join(wrong)}" if wrong else "")
    return Outcome("fail" if wrong else "pass", text, float(count))


def _classes_needed(attack: Attack, count: int) -> int:
    """The fewest classes for which the losses and targets that an attack has with `count` mean what they say."""
    needed = 3 if getattr(attack, "loss", "") == "dlr" else 2
    if isinstance(attack, APGD) and attack.targets:
        needed = max(needed, attack.targets + 1, 4)
    return max([needed, *(_classes_needed(part, count) for part in attack.parts(count))])


CLASSES = Check(
    "classes",
    "Enough classes for the losses",
    "At least 3 classes for the DLR loss, 4 for the targeted one, and one more than there are targets.",
    f"{AUTOATTACK}, check_n_classes",
    "Use loss=margin or cross_entropy, or fewer targets.",
    _classes,
)


def _alone(case: HealthContext) -> Outcome:
    if case.eot_samples > 1:
        return skipped("The network draws random numbers, and answers otherwise each time.")
    with preserving_state(case.meter, case.seed), torch.no_grad():
        alone = torch.cat([case.classifier.logits(case.shown[row : row + 1]) for row in range(case.probed)])
    among = functional.normalize(case.outputs[0].double(), dim=1)
    distance = (functional.normalize(alone.double(), dim=1) - among).norm(dim=1)
    off = int((distance > ALONE).sum())
    text = f"{off} of {plural(case.probed, 'image')} answered otherwise alone than in their batch, "
    text += f"by {float(distance.max()):.2g}"
    return Outcome("fail" if off else "pass", text, float(distance.max()))


ALONE_OR_NOT = Check(
    "batch",
    "Images independent of each other",
    f"Logits of length 1 of an image alone and in a batch differ by at most {ALONE:g}.",
    "Ours: a result must not depend on which images share a batch",
    "Use stored statistics in normalisation layers (eval mode), and no operation across the batch.",
    _alone,
    error="either",
)


def _clean(case: HealthContext) -> Outcome:
    with preserving_state(case.meter, case.seed), torch.no_grad():
        reverse = of_classes(case.classifier, case.judged(case.shown.flip(0))).argmax(1).flip(0).cpu()
    written = torch.from_numpy(integers(case.attempts[0].table, "clean_prediction")[case.rows[: case.probed]])
    labels = case.labels[: case.probed]
    other = int((reverse != written).sum())
    then, now = (int((found == labels).sum()) for found in (written, reverse))
    text = f"{then} of {case.probed} right in the audit, {now} again in reverse order; {other} predictions differ"
    limits = BY_CHANCE if case.eot_samples > 1 else (0.0, 0.01)
    return graded(other / max(case.probed, 1), *limits, text)


CLEAN = Check(
    "clean",
    "Clean accuracy the same two ways",
    "The audit's predictions are found again in another batch and order; up to 1 % may differ by rounding, with a "
    f"warning. Of a randomised network {BY_CHANCE[0]:.0%} may differ, and up to {BY_CHANCE[1]:.0%} with a warning.",
    f"{CHECKLIST} (clean accuracy is reported); the second way is ours",
    "Look for state kept between calls, batch statistics and randomness in the network.",
    _clean,
    error="either",
)


def _stable(case: HealthContext) -> Outcome:
    if case.known:
        return skipped(f"The defence is known and met {case.known}: what noise does says nothing of that gradient.")
    cost = 2 * FEWEST_POINTS * case.eot_samples
    count = min(max(case.affordable_images(STABILITY, cost), FEWEST_IMAGES), len(case.images))
    if count < FEWEST_IMAGES:
        return skipped(f"The surroundings of {count} of the at least {FEWEST_IMAGES} images that tell are no sample.")
    images, labels = placed(case.images[:count], case.classifier), case.labels[:count].to(case.shown.device)
    points = min(10, max(FEWEST_POINTS, POINTS // count)) if case.thorough else FEWEST_POINTS
    generator = torch.Generator().manual_seed(case.seed)
    noise = (torch.rand((points, *images.shape), generator=generator) - 0.5) * NEIGHBOURHOOD * case.span
    bounds = case.classifier.bounds
    with preserving_state(case.meter, case.seed), torch.no_grad():
        before = logit_margin(case.judged(images), labels)
        wide, close = (
            torch.stack(
                [
                    logit_margin(case.judged(bounds.clamp(images + one.to(images) / smaller)), labels) - before
                    for one in noise
                ]
            )
            .abs()
            .double()
            .mean()
            .item()
            for smaller in (1, CLOSER)
        )
    reach = float((case.outputs[0].amax(1) - case.outputs[0].amin(1)).double().mean())
    fraction = close / wide if wide > ALONE * reach else 0.0
    text = (
        f"noise of width 8/255 changes the margin by {wide / reach:.2%} of the logits' range, noise of 2/255 by "
        f"{close / reach:.2%}; {points} points around each of {plural(count, 'image')}"
    )
    return graded(fraction, *ROUGH, text)


STABLE = Check(
    "stable",
    "Smooth around the images",
    f"Within a quarter of the noise (2/255 for 8/255) the margin changes about a quarter as much: at most "
    f"{ROUGH[0]:.0%} of the change remains; the check fails above {ROUGH[1]:.0%}.",
    f"After {INDICATORS}, unstable predictions; deviation: their 10 % for "
    "the change itself fires on ordinary networks of photographs",
    "The gradient says little about where the network goes: average it over samples or neighbours (expectation over "
    "transformation), or attack without gradients.",
    _stable,
)

OUTPUT_CHECKS = (IMAGES, MODE, RANDOMISED, PROBABILITIES, CLASSES, ALONE_OR_NOT, CLEAN, STABLE)
