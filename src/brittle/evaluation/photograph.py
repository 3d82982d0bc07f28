"""`photograph`: the adversarial images of an earlier attack behind a channel, or on paper, and which survive."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from brittle.arguments import checked
from brittle.errors import InputError, RunError
from brittle.evaluation.attacked_images import attacked_images
from brittle.evaluation.channelled import channel_of
from brittle.evaluation.photograph_work import PhotographWork
from brittle.evaluation.progress import NullProgress, Progress
from brittle.physical.layout import Layout
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import PHOTOGRAPHED, PHOTOGRAPHS
from brittle.runs.lock import folder_held
from brittle.runs.photographs import PICTURES, Photographed
from brittle.runs.place import check_folder
from brittle.specs import SEARCHING, Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec

CHANNEL = "photograph"
"""What adversarial images go through by default."""
NOTHING = (
    *("norm", "eps", "target", "quantization", "confidence", "budget", "batch", "defence_data", "naive", *SEARCHING),
    *("size", "resize", "crop", "interpolation", "skip_bad"),
)
"""Options that do nothing here."""


@checked
@telling_of_own_code()
def photograph(  # noqa: PLR0913  # each of these is a question of its own
    run: Path | str,
    out: Path | str | None = None,
    *,
    model: ModelLike | ModelSpec | None = None,
    data: DataLike | DataSpec | None = None,
    photos: Sequence[Path | str] = (),
    sheet: Path | str | None = None,
    layout: Layout | None = None,
    even_light: bool = False,
    effort: Effort | None = None,
    force: bool = False,
    watch: Progress | None = None,
    command: Sequence[str] = (),
    **options: Any,
) -> Photographed:
    """Send the adversarial images of an earlier attack through a channel, and ask the network again.

    Kurakin, Goodfellow & Bengio, "Adversarial examples in the physical world", ICLR 2017 workshop (arXiv:1607.02533):
    clean and adversarial images were printed and photographed, and the destruction rate tells how many adversarial ones
    were right again. Images are rounded to 8 bits first, as a file or a printer does. An image and what the attack made
    of it go through a random channel with the same random numbers, as on one photograph.

    It takes four passes of the network an image; killed, it begins anew. Finished and called again with the same words,
    it reads what it made.

    Args:
        run: the folder of `attack`, or the run folder of `audit`, which keeps few of its images.
        out: the folder for rows, pictures and page; by default RUN-photographed.
        model: in place of the words by which the network of the run opened; it must be the same one.
        data: likewise for the original images of `attack`.
        photos: photographs of the printed sheet, in place of a simulated channel.
        sheet: where the printable sheet of originals and adversarial images is written, a name that ends in .pdf or
            .png, with a manifest beside it; with `photos`, the sheet that they show.
        layout: of the sheet; `Layout()` by default.
        even_light: take the light on the paper out of photographs, see `read_sheet`.
        effort: eot_samples, for networks that answer at random, seed and device.
        force: replace the photographs that the folder holds, and a sheet that lies there.
        watch: who is told of the progress.
        command: the command line, to be kept with them.
        **options: `channel`, as text such as "blur:sigma=1+jpeg" or as a value, and single fields of network and images
            as in `audit`.

    Returns:
        The rows; `figures` has the rates, with intervals.

    Raises:
        BrittleError: invalid input, a network or images other than the run's, or a photograph that shows no mark.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.attack import attack
        >>> folder = tempfile.mkdtemp()
        >>> options = {"attack": "fgsm", "norm": "linf", "eps": 0.2, "max_images": 10}
        >>> saved = attack("digits-lenet", "digits", f"{folder}/attack", **options)
        >>> photograph(f"{folder}/attack", channel="blur:sigma=1").figures().clean[1].n
        10
    """
    asked = Asked.of(cast("ModelLike", model), data, None, effort, options, without=NOTHING)
    run = Path(run)
    out = run.with_name(f"{run.name}-photographed") if out is None else Path(out)
    if photos and sheet is None:
        raise InputError("photographs are given and no sheet; name the sheet that they show, with --sheet")
    if even_light and not photos:
        raise InputError("even_light takes the light out of photographs, and none are given; name them with --photos")
    if photos and asked.model.channel is not None:
        raise InputError("photographs and a channel are given; leave one out, photographs are a channel of their own")
    channel = channel_of(CHANNEL if asked.model.channel is None else asked.model.channel)
    check_folder(out, PHOTOGRAPHED)
    given = replace(asked.model, channel=None)
    images = attacked_images(run, given, asked.data, asked.effort.device)
    seed = asked.effort.seed or 0
    work = PhotographWork(images, out, asked.data.max_images, seed, watch or NullProgress(), command)
    if sheet is not None and not photos:
        work.print_sheet(Path(sheet), layout, force=force)
    shot = work.of_sheet(Path(sheet), photos, even_light=even_light) if photos and sheet is not None else channel
    with folder_held(out):
        check_folder(out, PHOTOGRAPHED)
        if (out / PHOTOGRAPHS).is_file() and not force:
            if (made := work.made(shot, asked.effort.eot_samples)) is not None:
                return made
            raise RunError(
                f"{out} holds other photographs, which stay as they are; give another folder with --out, or --force to "
                "replace them"
            )
        for old in (out / PICTURES).glob("*.png"):
            old.unlink()
        return work.go(shot, asked.effort.eot_samples)
