"""An audit as a neutral list of verdicts: the gate, each check of its health, and each attack."""

from collections.abc import Mapping
from pathlib import Path

from brittle.errors import RunError
from brittle.evaluation.gate import ExitCode, Gate
from brittle.metrics import robust_accuracy
from brittle.runs.defence import DefenceFolder, is_defence_folder
from brittle.runs.finding import Finding, Health, Status
from brittle.runs.kept_gate import kept_gate
from brittle.runs.kinds import COMPARISON
from brittle.runs.network_words import worded
from brittle.runs.store import RunFolder
from brittle.runs.summary import AttackSummary, Summary, summarise
from brittle.runs.verdicts import GATE, Figure, Line, Verdict, Verdicts, portable

ENDS: Mapping[Status, Verdict] = {"pass": "passed", "warn": "warned", "fail": "failed", "skipped": "skipped"}
"""What a check's status is called."""
ERRS = ("warn", "fail")
"""Of the statuses those that say something of the robust accuracy."""


def verdicts_in(path: Path, gate: Gate | None = None) -> Verdicts:
    """Return what the finished audit in a folder comes to, line by line.

    Args:
        path: a run folder; or the folder of the two audits of a defended network, of which the adaptive one counts.
        gate: what a threshold says of it; by default the one that is kept in the folder, if there is one.

    Returns:
        A line for the gate where there is one, for each check of the audit's health, and for each attack.

    Raises:
        RunError: it is no folder of an audit, is damaged, or is not finished.

    Example:
        >>> import tempfile
        >>> from brittle.evaluation.audit import audit
        >>> run = audit("digits-lenet", "digits", tempfile.mkdtemp(), attacks=["fgsm"], eps=0.1, max_images=20)
        >>> [line.name for line in verdicts_in(run.path, Gate.of(summarise(run), 0.4)).lines if line.group != "health"]
        ['fail-under', 'fgsm']
    """
    if COMPARISON.ours(path):
        raise RunError(
            f"{path} is {COMPARISON.name} and no audit; give the words of `brittle compare` again, with --junit "
            "or --sarif"
        )
    if not is_defence_folder(path):
        return _verdicts(RunFolder.open(path), gate, path, {})
    both = DefenceFolder.open(path)
    return _verdicts(both.adaptive, gate, path, {"naive_robust_accuracy": summarise(both.naive).robust})


def _verdicts(folder: RunFolder, gate: Gate | None, path: Path, more: Mapping[str, Figure]) -> Verdicts:
    manifest = folder.manifest
    if manifest.status != "finished":
        raise RunError(f"the run in {folder.path} is not finished; give the command that began it again")
    summary = summarise(folder)
    gate = gate or _kept(path, manifest.identity, summary)
    lines = [] if gate is None else [_gate(gate, summary)]
    return Verdicts(
        name="audit",
        target=portable(manifest.network.spec),
        network=worded(manifest.network, portable),
        lines=[*lines, *_checks(summary.health), *_attacks(folder, summary)],
        figures={
            "robust_accuracy": summary.robust,
            **more,
            "clean_accuracy": summary.clean,
            "median_change": summary.median,
            "images": summary.images,
            "norm": summary.norm,
            "eps": summary.radius,
            "data": portable(manifest.data.spec),
            "weights": portable(manifest.network.weights) or None,
            "network_sha256": manifest.network.digest,
            "seed": manifest.seed,
            "device": manifest.device,
            **{f"version_{name}": version for name, version in manifest.versions.items()},
        },
        identity=manifest.identity,
        command=[portable(word) for word in manifest.command],
        exit_code=int(ExitCode.DONE if gate is None else gate.code),
        created=manifest.created,
        finished=manifest.finished,
    )


def _kept(path: Path, identity: str, summary: Summary) -> Gate | None:
    kept = kept_gate(path, identity)
    if kept is None or kept.least is None:
        return None
    return Gate.of(summary, kept.least, ignore_health=kept.ignore_health)


def _gate(gate: Gate, summary: Summary) -> Line:
    passed = gate.code is ExitCode.DONE
    flattering = [] if summary.health is None else summary.health.flattering
    remedy = flattering[0].remedy if gate.code is ExitCode.UNRELIABLE and flattering else ""
    return Line(
        GATE,
        "fail-under",
        f"Robust accuracy of at least {gate.least:.1%}",
        "passed" if passed else "failed",
        text=gate.reached if passed else gate.reason,
        rule=f"the lower bound of the robust accuracy's interval is at least {gate.least:.1%}, and no check of the "
        "evaluation failed that may make it too high",
        remedy=remedy or "Train the network against attacks, or lower the threshold to what is needed.",
        figures={"least": gate.least, "robust_accuracy": summary.robust},
    )


def _checks(health: Health | None) -> list[Line]:
    return [] if health is None else [_check(finding) for finding in health.ordered()]


def _check(finding: Finding) -> Line:
    errs = finding.error if finding.status in ERRS else None
    return Line(
        "health",
        finding.check,
        finding.title,
        ENDS[finding.status],
        text=finding.text,
        rule=finding.rule,
        remedy=finding.remedy,
        source=finding.source,
        figures={"value": finding.value, "robust_accuracy_may_be": errs},
    )


def _attacks(folder: RunFolder, summary: Summary) -> list[Line]:
    infos = folder.manifest.attacks
    specs = [info.spec for info in infos]
    return [
        _attack(folder, info.spec if specs.count(info.spec) == 1 else info.key, info.key, line)
        for info, line in zip(infos, summary.attacks, strict=True)
    ]


def _attack(folder: RunFolder, name: str, key: str, line: AttackSummary) -> Line:
    threat = folder.manifest.threat
    robust = robust_accuracy([folder.table(key)], threat.norm, threat.radius)
    done = line.success is not None
    return Line(
        "attack",
        portable(name),
        f"Attack {portable(name)}",
        "passed" if done else "skipped",
        text=f"robust accuracy under this attack alone: {robust.value:.1%}" if done else "no image was right before",
        figures={
            "kind": line.kind,
            "robust_accuracy": robust,
            "success": line.success,
            "success_as_8_bits": line.rounded,
            "median_change": line.median,
            "norm": threat.norm,
            "eps": threat.radius,
            "seed": folder.manifest.seed,
        },
    )
