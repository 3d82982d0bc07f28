"""How far the numbers can be trusted, and everything needed to get them again."""

from dataclasses import dataclass

import numpy as np

from brittle import metrics
from brittle.metrics.estimate import Flags
from brittle.metrics.formats import THIN, title
from brittle.metrics.rows import flags, floats
from brittle.report.formats import command_text, placeless
from brittle.report.run_data import AttackRows, RunData
from brittle.report.sections import setting
from brittle.runs.manifest import Manifest
from brittle.threats import BUILT_IN, MEASURES, described
from brittle.words import plural

VERIFIED = "every change is verified by the network as it is"
"""Of changes that were searched for otherwise than the network is."""
COLOUR = {"colours made grey", "grey made RGB"}
"""Conversions that a network was seldom trained for."""


@dataclass(frozen=True)
class Note:
    """Something to know before trusting a number; `caution` when it may change the conclusion."""

    title: str
    text: str
    caution: bool = False


def remarks(evidence: RunData) -> list[Note]:
    """What the numbers rest on and do not cover, beyond what the checks of the evaluation say."""
    return [
        *_images(evidence),
        *_sample(evidence),
        _attacks(evidence),
        *_on_grid(evidence),
        *_left_out(evidence),
        *_nonfinite(evidence),
        *_refusals(evidence),
    ]


def _refusals(evidence: RunData) -> list[Note]:
    """What success means where the network may refuse images, and how often it refused clean ones."""
    tables = [one.table for one in evidence.attacks]
    if not tables or not metrics.has_detector(tables[0]):
        return []
    alarms = metrics.false_alarms(tables[0])
    rates = [f"{one.title}: {int(metrics.caught(one.table).sum()):,}" for one in evidence.attacks]
    return [
        Note(
            "The network may refuse images",
            "A success is an image that is misclassified and not refused. Refused without an attack (false alarms, "
            f"which count as not right): {alarms.value:.1%} of {plural(alarms.n, 'image')}. Misclassified and refused, "
            f"so no success: {'; '.join(rates)}.",
            caution=True,
        )
    ]


def _images(evidence: RunData) -> list[Note]:
    """What was done to the images before the network saw them, and how their classes were numbered."""
    data = evidence.manifest.data
    if not data.said:
        return []
    sentences = " ".join(f"{line[0].upper()}{line[1:]}." for line in data.said)
    return [
        Note(
            "How the images reached the network",
            sentences,
            caution=bool(data.remarks or COLOUR & data.converted.keys()),
        )
    ]


def _nonfinite(evidence: RunData) -> list[Note]:
    outputs, gradients = (
        int(np.any([floats(attack.table, name) > 0 for attack in evidence.attacks], axis=0).sum())
        for name in ("nonfinite_outputs", "nonfinite_gradients")
    )
    if not outputs + gradients:
        return []
    text = (
        f"For {plural(outputs, 'image')} of {evidence.n:,} an attack came to a point where the network says NaN or "
        f"infinity, and for {gradients:,} to a gradient with such an entry. These points count as no success, and "
        "these entries as 0."
    )
    return [Note("Outputs or gradients that are not finite", text, caution=True)]


def _sample(evidence: RunData) -> list[Note]:
    found: list[Note] = []
    if evidence.manifest.max_images is not None:
        found.append(
            Note(
                "The first images of the source",
                f"The run was limited to {plural(evidence.manifest.max_images, 'image')}, in the order of the source. "
                "A source sorted by class or by difficulty makes them no fair sample.",
            )
        )
    if evidence.unfinished or evidence.waiting:
        missing = ", ".join(placeless(info.spec) for info in evidence.waiting)
        total = evidence.manifest.data.images
        text = f"{evidence.n:,} of {plural(total, 'image')} have been through every attack begun."
        found.append(Note("Not finished", text + (f" Not begun: {missing}." if missing else ""), caution=True))
    return found


def _attacks(evidence: RunData) -> Note:
    tried = ", ".join(attack.title for attack in evidence.attacks)
    norms = {attack.info.norm for attack in evidence.attacks} | {evidence.norm}
    other = [title(p) for p in ("linf", "l2", "l1", "l0") if p not in norms]
    kinds = "".join(f"{described(name).kind}, " for name in BUILT_IN if name not in MEASURES and name not in norms)
    alone = [
        f"{number:,} by {attack.title}"
        for attack, hits in zip(evidence.attacks, evidence.hits, strict=True)
        if (number := int((hits & ~_any_other(evidence, attack)).sum()))
    ]
    only = f" Broken by one attack only: {', '.join(alone)}." if len(evidence.attacks) > 1 and alone else ""
    norm = f"changes measured in {', '.join(other)}; " if other else ""
    return Note(
        "Only what was tried",
        f"Robust accuracy is an upper bound: the attacks tried were {tried}.{only} Not covered by this report: {norm}"
        "attacks made for this network or its defence, attacks that transfer from another network, "
        f"{kinds}and any attack that is not in the table.",
        caution=len(evidence.attacks) == 1,
    )


def _any_other(evidence: RunData, attack: AttackRows) -> Flags:
    hit: Flags = np.zeros_like(evidence.fallen)
    for other, hits in zip(evidence.attacks, evidence.hits, strict=True):
        if other is not attack:
            hit = hit | hits
    return hit


def _on_grid(evidence: RunData) -> list[Note]:
    """What it cost that only values of a file's levels were allowed."""
    levels = evidence.manifest.quantization
    if levels is None or not evidence.fallen.any():
        return []
    parts: list[str] = []
    for attack in evidence.attacks:
        success, before = flags(attack.table, "success"), floats(attack.table, "size_unrounded")
        if not described(attack.info.norm).on_images or not success.any():
            continue
        fraction = metrics.quantization_cost(attack.table)
        lost = int((flags(attack.table, "correct") & np.isfinite(before) & ~success).sum())
        gone = f" ({plural(lost, 'image')} lost)" if lost else ""
        parts.append(f"{100 * fraction.value:+.1f}{THIN}% for {attack.title}{gone}")
    cost = (
        f" Rounding cost in the median, as a fraction of the size: {'; '.join(parts)}. Below zero, the search on the "
        "grid found smaller changes than the attack had."
    )
    title = "On the 8-bit grid" if levels == 256 else f"On the grid of {levels:,} levels"
    text = f"Every broken image was judged with its values on {levels:,} levels, so that a file holds it as it is."
    return [Note(title, text + (cost if parts else ""))]


def _left_out(evidence: RunData) -> list[Note]:
    bad = len(evidence.manifest.data.bad)
    if not bad:
        return []
    were = "was" if bad == 1 else "were"
    text = f"{plural(bad, 'image')} could not be decoded and {were} left out; the settings list them."
    return [
        Note(
            "Images left out",
            text.replace("1 image could not be decoded and were", "1 image could not be decoded and was"),
            caution=True,
        )
    ]


def settings(evidence: RunData) -> dict[str, dict[str, str]]:
    """Everything that determined the numbers, by group."""
    manifest = evidence.manifest
    network, data, radius = manifest.network, manifest.data, manifest.threat.radius
    allowed = "no limit" if radius is None else evidence.units.size(radius, evidence.norm)
    shape = "any" if network.input_shape is None else " × ".join(str(side) for side in network.input_shape)
    return {
        "Network": {
            "Given as": placeless(network.spec),
            "Content (sha256)": network.digest,
            "Parameters": f"{network.parameters:,}",
            "Input (channels × height × width)": shape,
            "Values": f"{network.bounds[0]:g} to {network.bounds[1]:g}",
        },
        "Images": {
            "Given as": placeless(data.spec),
            "Content (sha256)": data.digest,
            "Images": f"{data.images:,}",
            "Limit": "none" if manifest.max_images is None else f"{manifest.max_images:,}",
            "Classes": f"{len(data.classes):,}" if data.classes else "without names",
            **{f"Fit: {name}": setting(value) for name, value in data.fit.items()},
        },
        "Run": {
            "Norm and radius": f"{title(evidence.norm)}, {allowed}",
            "Seed": str(manifest.seed),
            "Device": f"{manifest.device} ({manifest.machine})",
            "Forward passes per query": f"{manifest.eot_samples:,}",
            **({"Searched until won by": f"{manifest.confidence:g} logits"} if manifest.confidence else {}),
            **({"Searched": f"{manifest.search.text}; {VERIFIED}"} if manifest.search else {}),
            "Quantization": "none" if manifest.quantization is None else f"{manifest.quantization:,} levels",
            "Images in a batch": f"{manifest.batch:,}",
            "Images in a part": f"{manifest.block:,}",
            "Started": manifest.created,
            "Finished": manifest.finished or "not yet",
            "Identity (sha256)": manifest.identity,
        },
        "Code": _code(manifest),
        "Versions": dict(manifest.versions),
    }


def _code(manifest: Manifest) -> dict[str, str]:
    """The code that made the rows, and what was found when some of them were used again."""
    notes = {f"Used again ({number})": note for number, note in enumerate(manifest.notes, 1)}
    unseen = {f"Not looked into ({number})": text for number, text in enumerate(manifest.network.unseen, 1)}
    if manifest.code is None:
        return {"brittle (sha256)": "not recorded by the version that made this run", **notes}
    code = manifest.code
    return {
        "brittle (sha256)": code.brittle,
        **{f"Yours: {name} (sha256)": digest for name, digest in code.yours.items()},
        **{f"Package: {name}": version for name, version in code.packages.items()},
        **({"All tensors (sha256)": manifest.network.tensors} if manifest.network.tensors else {}),
        **unseen,
        **notes,
    }


def command(evidence: RunData) -> str:
    """The command that repeats the run, quoted for a shell."""
    return command_text(evidence.manifest.command)
