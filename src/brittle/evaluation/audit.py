"""`audit`: from a network and images to a run folder, part by part, so that it can be killed at any moment."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from brittle.arguments import Count, Device, FileName, Seed, checked
from brittle.classifiers.still import remarks_on_autocast
from brittle.data import Source
from brittle.errors import DataError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.first_look import batch_of, draws_for, first_look
from brittle.evaluation.health.examine import examine_run
from brittle.evaluation.manifest import DataInfo, Manifest, NetworkInfo, ThreatInfo
from brittle.evaluation.part import before_saving
from brittle.evaluation.plan import plan
from brittle.evaluation.progress import Nobody, Watch
from brittle.evaluation.provenance import outputs_of, provenance
from brittle.evaluation.radius import check_reach, unusual_radius
from brittle.evaluation.store import PARTS, RunFolder
from brittle.evaluation.subject import open_subject
from brittle.evaluation.work import Work
from brittle.files import check_names
from brittle.identity.sources import users_modules
from brittle.identity.walk import Known
from brittle.models import Network
from brittle.models.network import digest_of
from brittle.runs.kinds import RUN_FOLDER
from brittle.runs.place import check_folder, files_named
from brittle.threats import parse_threat
from brittle.threats.grid import Lattice
from brittle.version import __version__

PARTS_OF = 64
"""Images in a part: few enough that a killed run loses little, many enough that files stay few."""


@checked
def audit(  # noqa: PLR0913  # one parameter for each option of the command of the same name
    model: FileName | Network,
    data: FileName | Source,
    out: Path | str,
    *,
    attacks: Sequence[str] = (),
    norm: str = "linf",
    eps: float | None = None,
    limit: Count | None = None,
    batch: Count | None = None,
    device: Device = "cpu",
    seed: Seed = 0,
    weights: Path | None = None,
    dtype: str | None = None,
    binary: bool = False,
    probabilities: bool = False,
    labels: int | None = None,
    budget: Count | None = None,
    resize: Count | None = None,
    crop: Count | None = None,
    skip_bad: bool = False,
    class_order: str = "auto",
    lattice: int | None = None,
    draws: Count | None = None,
    thorough: bool = False,
    force: bool = False,
    command: Sequence[str] = (),
    watch: Watch | None = None,
) -> RunFolder:
    """Attack a network on images and keep every row in a run folder.

    Interrupted at any moment and called again with the same arguments, it goes on and ends with the same rows.

    Args:
        model: what `open_network` understands, or a network.
        data: what `open_source` understands, or a source; images are fitted to the network's input.
        out: the run folder.
        attacks: as text, such as `pgd:steps=40,restarts=5`; by default noise, FGSM, PGD and DeepFool; of a
            network that reveals no gradients those that suit it, see `plan`.
        norm: linf, l2, l1, l0, pixels, flow or colour.
        eps: the radius in the units of the images; by default the one most often reported for the norm.
        limit: use the first so many images.
        batch: images in one call of the network; by default by the size of an image.
        device: where to run, such as "cpu" or "cuda:0".
        seed: of all random draws.
        weights: safetensors for architectures and factories.
        dtype: the network's number format, as in `open_network`.
        binary: the network has a single output whose sign is the class.
        probabilities: the outputs are probabilities; they are read as their logarithms.
        labels: the outputs are class numbers, of so many classes.
        budget: most queries for each image and attack: the clean pass, the attack, the verifying pass and the look at
            what was saved with 8 bits. More are not asked; see `run`.
        resize: length of the images' short side before the crop.
        crop: side of the centre crop.
        skip_bad: leave out images that cannot be read, and list them.
        class_order: "auto" matches classes by the names that network and images both know; "numeric" and "text" say how
            class folders are sorted ("text" as torchvision's ImageFolder), and take labels as they are.
        lattice: number of levels that adversarial images lie on, 256 for those of an 8-bit file; any values by default.
        draws: how often a randomised network is asked about every point; it is judged by its mean logits, and gradients
            are averaged. By default 20 where the network answers differently when it is asked again, and no budget is
            given; 1 otherwise.
        thorough: check the audit itself with as many passes as that takes, instead of at most 5 % of its own; changes
            no row.
        force: replace another run that the folder holds.
        command: what the user typed, for the manifest.
        watch: who is told of the progress.

    Returns:
        The finished run folder, with what the checks of the audit found (`RunFolder.health`).

    Raises:
        BrittleError: anything that cannot be meant or done; the message says what and how to mend it.

    Example:
        >>> import tempfile
        >>> folder = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, limit=20)
        >>> folder.table("fgsm").num_rows
        20
    """
    question = parse_threat(norm)
    check_folder(Path(out), RUN_FOLDER, files_named(model, data, weights))
    radius = question.default_radius if eps is None else eps
    planned = plan(attacks, norm, radius) if attacks else []
    before_saving(budget, draws or 1)
    check_names(*(Path(out) / PARTS / one.info.key for one in planned))
    loaded = users_modules()
    if lattice is not None:
        Lattice(lattice)  # refuses what is no number of levels, before anything is opened
    subject = open_subject(
        model,
        data,
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
    network, classifier, source = subject.network, subject.classifier, subject.source
    if not len(source):
        raise DataError(f"{source.spec} holds no images; an audit needs at least one")
    if not source.labelled:
        raise DataError(
            f"{source.spec} has no labels, without which nobody can say what is right; give labelled images"
        )
    planned = planned or plan((), norm, radius, reveals=classifier.reveals, budget=budget)
    source, remarks = match_classes(network.classes, source, class_order)
    remarks = [*remarks, *remarks_on_autocast()]
    converted = source.conversions()
    known = Known()
    before = digest_of(classifier.module, known=known)
    shape = first_look(classifier, source, blank=budget is not None)
    if eps is not None:
        check_reach(question.within(eps), shape, classifier.bounds)
    remarks = [*remarks, *unusual_radius(norm, radius / classifier.bounds.span, shape, asked=eps is not None)]
    ask_twice = None if budget is not None else partial(first_look, classifier, source, blank=True)
    origin = provenance(network, classifier, source, loaded, ask_twice, known)
    draws = draws or draws_for(classifier, source, budget)
    manifest = Manifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=list(command),
        seed=seed,
        device=device,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        batch=batch or batch_of(shape),
        block=PARTS_OF,
        limit=limit,
        lattice=lattice,
        budget=budget,
        draws=draws,
        network=NetworkInfo(
            spec=network.spec,
            digest=network.digest,
            parameters=network.parameters,
            input_shape=network.input_shape,
            bounds=(classifier.bounds.lower, classifier.bounds.upper),
            tensors=origin.tensors,
            outputs=outputs_of(classifier),
            unseen=list(origin.unseen),
        ),
        data=DataInfo(
            spec=source.spec,
            digest=source.digest(again=True),
            images=len(source),
            classes=list(source.classes or network.classes),
            fit=asdict(source.fit),
            converted=converted,
            skipped=source.skipped,
            remarks=remarks,
            relabelled=None if source.relabelled is None else list(source.relabelled),
        ),
        threat=ThreatInfo(p=planned[0].info.p, radius=radius),
        attacks=[one.info for one in planned],
        versions={name: _version(name) for name in ("brittle", "torch", "numpy", "pyarrow", "pillow", "python")},
        code=origin.code,
    )
    with RunFolder.create(Path(out), manifest, force=force) as folder:
        work = Work(folder, planned, classifier, source, origin, watch or Nobody())
        anew = work.go()
        health = folder.health()
        if anew or health is None or (thorough and not health.thorough):
            found = examine_run(folder, planned, classifier, source, weights=before, thorough=thorough)
            folder.write_health(found)
        folder.finish()
        return folder


def _version(package: str) -> str:
    if package == "python":
        return platform.python_version()
    if package == "brittle":
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
