"""`run_studies`: one study after the other, and what all of them found again."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from brittle.arguments import Device, Seed, checked
from brittle.engine.engine import Engine
from brittle.engine.lease import LEASE, LEASES, is_claimed, lease
from brittle.errors import BrittleError
from brittle.registry import STUDIES
from brittle.studies.bench.overview import Line, Overview, line_of_study
from brittle.studies.bench.own_study import folder_given
from brittle.studies.bench.result import StudyResult
from brittle.studies.bench.run import run_study
from brittle.studies.bench.study import OnProgress, scale_of, tell_nobody


@checked
def run_studies(  # noqa: PLR0913  # one parameter for each option of the command `study`
    out: Path | str,
    *,
    names: Sequence[str] | None = None,
    data: Path | str | None = None,
    models: Path | str | None = None,
    scale: str = "small",
    device: Device = "cpu",
    seed: Seed = 0,
    watch: OnProgress | None = None,
    engine: Engine | None = None,
    each: Callable[[StudyResult], object] | None = None,
) -> Overview:
    """Run several studies, by default all that there are, one after the other.

    A study that fails as a whole is a line of the overview, and the others go on. Killed at any moment and called
    again, it goes on after the last finished piece of work. Called several times at once it begins with the studies
    that nobody works on, and comes back to the others.

    Args:
        out: folder for all studies.
        names: of the studies; None for all.
        data: as for `run_study`.
        models: likewise.
        scale: likewise.
        device: likewise.
        seed: likewise.
        watch: who is told of the progress; fractions are of the studies.
        engine: as for `run_study`.
        each: is given the table of every study as soon as it is there, such as for writing its page.

    Returns:
        A line for each study, in order.

    Raises:
        InputError: no such study, scale, or folder of images or networks.
    """
    told, chosen = watch or tell_nobody, list(STUDIES) if names is None else list(names)
    scale_of(scale)
    folder_given(data, "--data")
    folder_given(models, "--models")
    claims = {name: Path(out) / LEASES / f"{STUDIES.find(name).name}{LEASE}" for name in chosen}
    lines, left = dict[str, Line](), list(claims)
    given: dict[str, Any] = {"data": data, "models": models, "scale": scale, "device": device, "seed": seed}
    given["engine"] = engine
    while left:
        name = next((one for one in left if not is_claimed(claims[one])), left[0])
        left.remove(name)

        def tell(line: str, fraction: float | None = None, name: str = name) -> None:
            done = (len(lines) + (fraction or 0.0)) / len(chosen)
            told(line if line.startswith(f"{name}: ") else f"{name}: {line}", done)

        try:
            with lease(claims[name]):
                result = run_study(name, out, watch=tell, **given)
        except BrittleError as error:
            tell(str(error))
            about = STUDIES.find(name)
            lines[name] = Line(name, about.title, about.source, failed=str(error))
            continue
        if each is not None:
            each(result)
        lines[name] = line_of_study(result)
    with contextlib.suppress(OSError):
        (Path(out) / LEASES).rmdir()  # others may still be at work
    return Overview(Path(out), tuple(lines[name] for name in claims))
