"""The page of a defended network: what a careless evaluation reports, what is left, and what the network sees."""

from pathlib import Path

from brittle.metrics import Estimate
from brittle.metrics.formats import Units, interval, percent, title
from brittle.pictures import data_uri
from brittle.report.checks import block
from brittle.report.content import picture_in, shown
from brittle.report.formats import command_text, subject
from brittle.report.gallery import reduced
from brittle.report.template import fill
from brittle.runs.defence import ADAPTIVE, NAIVE, DefenceFolder, DefenceSummary
from brittle.runs.kept_gate import kept_gate
from brittle.runs.summary import AttackSummary

CAPTIONS = ("original", "as the network sees it", "adversarial", "as the network sees it")


def defence_page(run: Path) -> str:
    """Return the page of the two audits of a defended network, with what a gate said of them, if there was one.

    Raises:
        RunError: one of them is damaged, or nothing was measured yet.
    """
    folder = DefenceFolder.open(run)
    with shown(run, "the two audits of a defended network"):
        return render(folder, DefenceSummary.of(folder))


def render(folder: DefenceFolder, both: DefenceSummary) -> str:
    """The whole page as text."""
    manifest, adaptive = folder.adaptive.manifest, both.adaptive
    units = Units(manifest.network.bounds[1] - manifest.network.bounds[0])
    radius = "" if adaptive.radius is None else units.size(adaptive.radius, adaptive.norm)
    return fill(
        "defence.html",
        {},
        both=both,
        gate=kept_gate(folder.path, manifest.identity),
        network=subject(manifest.network.spec),
        data=subject(manifest.data.spec),
        question=f"{title(adaptive.norm)} {radius}".strip(),
        cards=[
            ("Naive", "what a careless evaluation reports", *_figure(both.naive.robust)),
            ("Adaptive", "what is left when the defence is known", *_figure(adaptive.robust)),
            ("Clean", "accuracy without attack", *_figure(adaptive.clean)),
        ],
        rows=[
            (naive.spec, *(_left(one, units, adaptive.norm) for one in (naive, known)))
            for naive, known in zip(both.naive.attacks, adaptive.attacks, strict=True)
        ],
        told_by=both.told_by,
        health=[(name, block(one.health())) for name, one in ((NAIVE, folder.naive), (ADAPTIVE, folder.adaptive))],
        created=manifest.created,
        version=manifest.versions["brittle"],
        command=command_text(manifest.command),
        without=command_text(folder.without),
        links=[(NAIVE, f"{NAIVE}/report.html"), (ADAPTIVE, f"{ADAPTIVE}/report.html")],
        walls=[(number, _pictures(files)) for number, files in folder.pictures()],
    )


def _figure(estimate: Estimate) -> tuple[str, str]:
    return percent(estimate.value), interval(estimate)


def _left(line: AttackSummary, units: Units, norm: str) -> str:
    """What an attack left right at its radius; of one that searches the smallest change the median."""
    if line.kind == "minimum":
        return "–" if line.median is None else f"median {units.size(line.median.value, norm)}"
    return "–" if line.success is None else percent(1 - line.success.value)


def _pictures(files: list[Path]) -> list[tuple[str, str, int]]:
    shots: list[tuple[str, str, int]] = []
    for caption, file in zip(CAPTIONS, files, strict=True):
        picture = reduced(picture_in(file.read_bytes()))
        shots.append((caption, data_uri(picture), picture.width))
    return shots
