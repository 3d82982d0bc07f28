"""The check that the audit left the network as it was."""

from brittle.classifiers.frozen import has_written
from brittle.health.check import Check, Outcome, skipped
from brittle.health.context import HealthContext
from brittle.health.sources import ROBUSTBENCH
from brittle.models.network import digest_of


def _weights(case: HealthContext) -> Outcome:
    if not case.weights:
        return skipped("Nobody noted the weights before the audit.")
    module = case.meter.classifier.module
    tensors = sum(1 for _ in (*module.parameters(), *module.buffers()))
    after = digest_of(module)
    text = f"{tensors} weights and buffers, sha256 {case.weights[:12]} before, {after[:12]} after"
    wrote = has_written(module)
    if wrote:
        text += "; buffers changed in forward passes, and were put back after each run"
    changed = wrote or after != case.weights
    return Outcome("fail" if changed else "pass", text, float(changed))


WEIGHTS = Check(
    "weights",
    "Unchanged weights",
    "Weights and buffers have the same digest before and after the audit, and no forward pass has changed a buffer.",
    f"{ROBUSTBENCH} (the same network for every image); the digest is ours",
    "Do not write to parameters or buffers inside forward: every image must meet the same network.",
    _weights,
    asks=False,
    error="either",
)
