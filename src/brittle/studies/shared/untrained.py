"""A network that takes too long to train at the scale asked for, in the place of its figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from brittle.studies.bench.study import Measured, threads
from brittle.studies.shared.subject import Benchmark


@dataclass(frozen=True)
class Untrained:
    """A network whose training is too long for the scale: says how long."""

    subject: Benchmark
    name = "training"

    def identity(self) -> Mapping[str, object]:
        """Everything that determines the outcome."""
        setting, origin = self.subject.setting, self.subject.origin
        data = setting.data_file(origin.training)
        return {"architecture": origin.architecture, "bytes": data.stat().st_size, "device": setting.device}

    def measure(self) -> Measured:
        """Time a few steps and say in words what the whole would take."""
        hours, recipe, images = self.subject.training_hours()
        files = " or ".join(f"MODELS/{name}" for name in self.subject.origin.files)
        machine = f"this machine ({threads()}, from a few steps timed)"
        return Measured(
            remark=f"Not measured: its training, {recipe.epochs} epochs of {images:,} images, about {_hours(hours)} "
            f"on {machine}, is not done at this scale; ask for --scale paper, or give {files} with --models MODELS."
        )


def _hours(hours: float) -> str:
    """Two digits are more than such an estimate is worth."""
    return f"{hours:,.0f} hours" if hours >= 2 else f"{60 * hours:,.0f} minutes"
