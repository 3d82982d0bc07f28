"""The page of a training: how loss and accuracy went from epoch to epoch, and what the network can do now."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brittle.metrics import Estimate
from brittle.metrics.formats import interval, percent, significant
from brittle.report.content import folder_of, object_of, placed, shown
from brittle.report.drawings import drawing_figures
from brittle.report.formats import duration
from brittle.report.template import fill
from brittle.runs.folder import REPORT
from brittle.runs.kinds import EPOCHS_FILE, TRAINING
from brittle.runs.place import beside
from brittle.runs.results import TrainingFolder
from brittle.studies.bench.drawing import Curves
from brittle.words import plural

LINES = {"": "trained on", "adversarial_": "attacked", "clean_": "the same before the attack"}
"""The curves by what stands before `loss` and `accuracy` in an epoch's record."""
ASIDE = {
    "held_out_": "held out",
    "held_out_robust_": "held out, a few steps",
    "held_out_own_": "held out, its own attack",
}
"""The same of the images kept aside, of which only the accuracy is measured."""
VERDICTS = {"held_out_": "the held-out images", "clean_": "the images it learnt from", "": "the images it learnt from"}
"""What stands before the accuracy that the verdict is of where there are no test images, the most telling first."""
YES = {True: "yes", False: "no"}


def write_training(course: Path, out: Path | None = None, *, force: bool = False, title: str | None = None) -> Path:
    """Write the page of a training.

    Args:
        course: the folder of `brittle train`, or a file in it; or the NAME.training.json of an earlier version.
        out: the file to write, or a folder for it; by default `report.html` in the folder, or NAME.html beside the
            course.
        force: replace another page at `out`.
        title: of the user's, see `write_report`.

    Returns:
        The file written.

    Raises:
        RunError: the training is not finished, a file is missing or is another one, or the page cannot be written.
    """
    course = Path(course)
    usual, folder, made = beside(course, ".html"), folder_of(course, TRAINING), ""
    if folder is not None:
        training = TrainingFolder.open(folder)
        usual, course, made = folder / REPORT, training.file(EPOCHS_FILE), training.manifest.created
    with shown(course, "the course of a training"):
        page = render(object_of(course), made)
    return placed(page, usual, out, force=force, title=title)


def render(story: dict[str, Any], made: str = "") -> str:
    """The whole page as text; `made` is when the training began, where that is known."""
    epochs: list[dict[str, Any]] = story["epochs"]
    names = _kinds(story)
    objective = story.get("objective")
    aside: dict[str, str] = {}
    curves = (_curves("Loss", objective or "cross-entropy, nats", "loss", epochs, names, 1),)
    if objective is None:  # what is trained by labels
        aside = {
            prefix: name for prefix, name in ASIDE.items() if epochs and epochs[0].get(f"{prefix}accuracy") is not None
        }
        curves = (_curves("Accuracy", "right, %", "accuracy", epochs, names | aside, 100), *curves)
    measured = ("loss",) if objective else ("accuracy", "loss")
    wanted = [(prefix, what, name) for prefix, name in names.items() for what in measured]
    wanted += [(prefix, "accuracy", name) for prefix, name in aside.items()]
    heads = [f"{what}, {name}" for _, what, name in wanted]
    rows = [(int(one["number"]), _cells(one, wanted), duration(one["seconds"])) for one in epochs]
    return fill(
        "training.html",
        drawing_figures(curves),
        story=story,
        about=_about(story),
        made=made,
        verdict=_verdict(story["data"], epochs, names | aside),
        hardened=_hardened(story),
        results=_results(story["data"], "attack" in story.get("adversarial", {})),
        collapsed=story["data"].get("collapsed", []),
        curves=curves,
        heads=heads,
        rows=rows,
    )


def _hardened(story: dict[str, Any]) -> str:
    """What was done to the images, in words that follow what they are."""
    done, once, taught = story.get("adversarial", {}), story.get("once"), story.get("teacher")
    if taught:
        epochs = "an epoch" if len(taught) == 1 else f"{len(taught):,} epochs"
        return (
            f", by the answers of a teacher at temperature {story['settings']['temperature']:g}, which was trained on "
            f"them for {epochs} before and had {percent(taught[-1]['accuracy'])} right in the last"
        )
    if once is not None:
        return f", attacked once by {once['attack']} within {once['threat']}, changes times {once['alpha']:g}"
    if "attack" in done:
        return f", attacked by {str(done['attack']).partition('(')[0]} within {done['threat']}"
    if "perturbations" in done:
        often = f"probability {done['probability']:g}, times {done['alpha']:g}"
        return f", with one of {done['perturbations']} universal perturbations added ({often})"
    if "accumulated" in done:
        steps = "a step" if done["steps"] == 1 else f"{done['steps']} steps"
        return f", attacked within {done['accumulated']} by {steps} in each epoch, from where the epoch before ended"
    return f", for free within {done['free']}, each batch {done['replays']} times" if "free" in done else ""


def _kinds(story: dict[str, Any]) -> dict[str, str]:
    """The lines worth drawing: where all images are attacked from the start, those trained on are the attacked ones."""
    attacked = story.get("adversarial", {})
    if "attack" not in attacked:  # nothing was attacked, or nothing measured of it
        return {"": LINES[""]}
    only = attacked.get("fraction", attacked.get("share")) == 1 and not attacked["clean_epochs"]
    return {prefix: name for prefix, name in LINES.items() if prefix or not only}


def _curves(
    title: str, axis: str, what: str, epochs: Sequence[dict[str, Any]], names: dict[str, str], scale: float
) -> Curves:
    """One figure: a line for each kind of images."""
    lines = {
        name: (
            [int(one["number"]) for one in epochs if one[prefix + what] is not None],
            [scale * float(one[prefix + what]) for one in epochs if one[prefix + what] is not None],
        )
        for prefix, name in names.items()
    }
    caption = "Means over each epoch, while the weights moved; in train mode, those before the attack in eval mode."
    caption = caption if len(names) > 1 else caption.partition(";")[0] + "."
    if any(prefix in ASIDE for prefix in names):
        caption += " Held-out images are measured after each epoch; no step is made on them."
    return Curves(title, caption, "epoch", axis, lines)


def _cells(epoch: dict[str, Any], wanted: Sequence[tuple[str, str, str]]) -> list[str]:
    found = [(what, epoch[prefix + what]) for prefix, what, _ in wanted]
    style = {"accuracy": percent, "loss": significant}
    return ["–" if value is None else style[what](value) for what, value in found]


def _about(story: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings in words; those that say nothing of this training are left out."""
    everything = {**story["settings"], **story.get("adversarial", {})}
    return {
        name: YES[value] if isinstance(value, bool) else str(value)
        for name, value in everything.items()
        if value is not None
    }


def _verdict(data: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Say in a sentence what the network can do: on test images, failing these on others, of the last epoch."""
    attacked = data.get("robust_accuracy")
    if "test_accuracy" in data:
        rest = f", and {percent(attacked['value'])} under attack" if attacked else ""
        return f"It gets {percent(data['test_accuracy'])} of the test images right{rest}."
    for prefix, of in VERDICTS.items():
        if prefix in names and epochs and epochs[-1].get(f"{prefix}accuracy") is not None:
            robust = epochs[-1].get("held_out_robust_accuracy") if prefix == "held_out_" else None
            rest = f", and {percent(robust)} after a few steps of attack" if robust is not None else ""
            when = "After the last epoch it gets" if prefix == "held_out_" else "Through the last epoch it got"
            return f"{when} {percent(epochs[-1][f'{prefix}accuracy'])} of {of} right{rest}."
    return f"It was trained for {plural(len(epochs), 'epoch')}."


def _results(data: Mapping[str, Any], own: bool) -> list[tuple[str, str, str]]:
    """What was measured on test images: name, value and a note; under the training's own attack where it has one."""
    found: list[tuple[str, str, str]] = []
    if "test_accuracy" in data:
        found.append(("Test accuracy", percent(data["test_accuracy"]), "images as they are"))
    if "robust_accuracy" in data:
        robust = Estimate(**data["robust_accuracy"])
        name = "Right under the training's own attack" if own else "Right under a few steps of PGD"
        found.append((name, percent(robust.value), f"95 % interval {interval(robust)}, n = {robust.n:,}"))
    if data.get("kept_epoch") is not None and data.get("keep") == "best":
        found.append(("Weights of epoch", f"{data['kept_epoch']}", f"the best on {data['held_out']:,} held-out images"))
    return found
