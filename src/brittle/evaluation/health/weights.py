"""The check that the audit left the network as it was."""

from brittle.evaluation.health.case import Case
from brittle.evaluation.health.check import Check, Seen, skipped
from brittle.evaluation.health.sources import ROBUSTBENCH
from brittle.models.network import digest_of


def _weights(case: Case) -> Seen:
    if not case.weights:
        return skipped("Nobody noted the weights before the audit.")
    module = case.meter.classifier.module
    tensors = sum(1 for _ in (*module.parameters(), *module.buffers()))
    after = digest_of(module)
    text = f"{tensors} weights and buffers, sha256 {case.weights[:12]} before, {after[:12]} after"
    return Seen("pass" if after == case.weights else "fail", text, float(after != case.weights))


WEIGHTS = Check(
    "weights",
    "Unchanged weights",
    "Weights and buffers have the same digest before and after the audit.",
    f"{ROBUSTBENCH} (the same network for every image); the digest is ours",
    "Do not write to parameters or buffers inside forward: every image must meet the same network.",
    _weights,
    asks=False,
    error="either",
)
