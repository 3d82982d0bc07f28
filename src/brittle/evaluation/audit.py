"""`audit`: from a network and images to a run folder, part by part, so that it can be killed at any moment."""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brittle import metrics
from brittle.arguments import checked, several
from brittle.core.attack import Attack
from brittle.engine.engine import Engine
from brittle.engine.shard import engine_of
from brittle.evaluation.audit_recipe import AuditRecipe
from brittle.evaluation.plan import Planned
from brittle.evaluation.prepared import prepare
from brittle.evaluation.progress import NullProgress, Progress
from brittle.evaluation.work import Work
from brittle.files import follower_of
from brittle.health.context import AttackRun
from brittle.health.examine import examine_run
from brittle.limits import current
from brittle.plugins.own_code import telling_of_own_code
from brittle.remote import at
from brittle.runs.store import RunFolder
from brittle.specs import Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question


@checked
@telling_of_own_code()
def audit(  # noqa: PLR0913  # each of these is a question of its own
    model: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str | None = None,
    *,
    question: Question | None = None,
    attacks: str | Attack | Sequence[str | Attack] = (),
    effort: Effort | None = None,
    thorough: bool = False,
    force: bool = False,
    command: Sequence[str] = (),
    watch: Progress | None = None,
    engine: Engine | None = None,
    shard: str | tuple[int, int] | None = None,
    **options: Any,
) -> RunFolder:
    """Attack a network on images and keep every row in a run folder.

    Interrupted at any moment and called again with the same arguments, it goes on and ends with the same rows. Called
    by several processes at the same time with the same arguments, they share the parts of the run.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        data: what `open_source` understands, a source, images and labels as tensors or arrays, a data set or loader of
            torch; or a `DataSpec`. Images are fitted to the network's input.
        out: the run folder, as a path or as an address such as ``s3://bucket/run``; by default a temporary one
            (`RunFolder.path`), which is gone with what is returned. Of an address that is the copy on this disk.
        question: the threat with its radius, by default linf and the radius most often reported for it; and the levels
            that adversarial images lie on.
        attacks: one or several, as text, such as `pgd:steps=40,restarts=5`, or as values, such as `PGD(steps=40)`, own
            ones too; by default noise and the strongest for the threat, cheap ones first; of a network that gives no
            gradients those that suit it, see `plan`.
        effort: budget, eot_samples, batch, seed and device.
        thorough: check the audit itself with as many passes as that takes, instead of at most 5 % of its own; changes
            no row.
        force: replace another run that the folder holds.
        command: what the user typed, for the manifest.
        watch: who is told of the progress.
        engine: what gets the parts of the run done; by default this process, one part after the other.
        shard: do a share of the parts alone, such as ``"2/4"`` or ``(2, 4)``, the second of four. Several shards have
            one folder, whoever does the last part finishing the run, or one folder each, which `merge` joins.
        **options: single fields of the network, the images, the question and the effort, by the names that the
            command line has: `norm`, `eps`, `max_images`, `seed`, ...

    Returns:
        The finished run folder, with what the checks of the audit found (`RunFolder.health`). That of a shard which
        leaves parts to others is not finished (`RunFolder.manifest.status` is "running").

    Raises:
        BrittleError: invalid input or an input/output failure; the message says what was wrong and how to fix it.

    Example:
        >>> import tempfile
        >>> folder = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, max_images=20)
        >>> folder.table("fgsm").num_rows
        20
    """
    asked = Asked.of(model, data, question, effort, options, without=("target",))
    watch, engine = watch or NullProgress(), engine_of(engine, shard)
    call = _Call(asked, several(attacks), thorough, force, tuple(command), watch, engine)
    if out is not None:
        with at(out) as place:
            folder = _audited(call, place.path)
            place.keep_for(folder)
        return folder
    path = Path(tempfile.mkdtemp(prefix="brittle-"))
    watch.note(f"the run lies in {path}, as long as what this returns is held")
    try:
        folder = _audited(call, path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    weakref.finalize(folder, shutil.rmtree, path, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class _Call:
    """What `audit` was called with, apart from the folder."""

    asked: Asked
    attacks: tuple[str | Attack, ...]
    thorough: bool
    force: bool
    command: tuple[str, ...]
    watch: Progress
    engine: Engine


def _audited(call: _Call, path: Path) -> RunFolder:
    ready = prepare(call.asked, call.attacks, path, command=call.command)
    with RunFolder.create(path, ready.manifest, force=call.force) as folder:
        apart = follower_of(path) is not None
        recipe = AuditRecipe(call.asked, call.attacks, folder.manifest, path.absolute(), Path.cwd(), current(), apart)
        work = Work(
            folder, ready.planned, ready.classifier, ready.source, ready.origin, call.watch, call.engine, recipe
        )
        done = work.go()
        if not done.whole:
            return folder
        anew = done.anew or folder.manifest.status == "running"
        work.judge(
            lambda: examine_run(
                folder,
                attempts(folder, ready.planned),
                ready.question,
                ready.classifier,
                ready.source,
                weights=ready.weights,
                thorough=call.thorough,
            ),
            thorough=call.thorough,
        )
        if anew:
            folder.finish()
        return folder


def attempts(folder: RunFolder, planned: Sequence[Planned]) -> list[AttackRun]:
    """Return the attacks of a run whose parts are all there with their rows, for the checks."""
    tables = metrics.common_images([folder.table(one.info.key) for one in planned])
    return [AttackRun(one.info.spec, one.attack, one.threat, table) for one, table in zip(planned, tables, strict=True)]
