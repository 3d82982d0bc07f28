"""A network that a study trains otherwise than plainly: on attacked images, behind a defence, or from a teacher."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from brittle.data import Fit, open_source
from brittle.evaluation.design_behind import DesignBehind
from brittle.evaluation.training_run import fit_and_save
from brittle.identity.compare import fingerprint
from brittle.identity.sources import own_digest
from brittle.models import ARCHITECTURES, Architecture, Network, open_network
from brittle.studies.bench.study import Setting
from brittle.studies.shared.once import trained_once
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.training.accumulated import AccumulatedTraining
from brittle.training.adversarial import AdversarialTraining
from brittle.training.recipe import PlainTraining
from brittle.types import Images


class HardenedBenchmark(Benchmark):
    """A network that the study trains on the images of an attack, behind a defence or from a teacher, once.

    Args:
        origin: its architecture and images; files of it are not looked for.
        setting: what the user chose.
        training: what is done to the images; None for nothing.
        settings: how it is trained otherwise; the seed among them.
        images: so many training images; None for all.
        command: what trains it, for the file.
        defence: what it is trained behind; "" for nothing.
        distilled: whether it learns from a teacher, both at the temperature of the settings.
    """

    def __init__(  # noqa: PLR0913  # each of these is a question of its own
        self,
        origin: NetworkSource,
        setting: Setting,
        training: AccumulatedTraining | AdversarialTraining | None,
        settings: PlainTraining,
        images: int | None,
        command: str,
        defence: str = "",
        *,
        distilled: bool = False,
    ):
        super().__init__(origin, setting)
        self.training, self.settings, self.images, self.command = training, settings, images, command
        self.defence, self.distilled = defence, distilled

    def identity_fields(self) -> dict[str, object]:
        """Everything that determines the weights."""
        data = open_source(str(self.setting.data_file(self.origin.training)), max_images=self.images)
        return {
            "architecture": self.origin.architecture,
            "adversarial": None if self.training is None else self.training.to_dict(),
            "settings": asdict(self.settings),
            "training": data.digest(),
            "images": len(data),
            "device": self.setting.device.partition(":")[0],
            "brittle's code": own_digest(),
            **({"defence": self.defence} if self.defence else {}),
            **({"distilled": True} if self.distilled else {}),
        }

    def identity(self) -> dict[str, object]:
        """What determines a figure; the network is named by how it is trained, so that asking trains nothing."""
        test = open_source(str(self.setting.data_file(self.origin.test)))
        tested = {"data": test.digest(), "tested": self.origin.images, "scale": self.setting.scale}
        return {**self.identity_fields(), **tested}

    @property
    def design(self) -> Architecture | DesignBehind:
        """What is trained."""
        architecture = ARCHITECTURES[self.origin.architecture]
        return DesignBehind.of(architecture, self.defence) if self.defence else architecture

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of the images, before the defence."""
        return self.design.input_shape

    def classes(self, images: Images) -> int:
        """How many classes the network knows; behind a defence it cannot be asked about images as they are."""
        return ARCHITECTURES[self.origin.architecture].classes

    @cached_property
    def network(self) -> Network:
        """The network, trained now unless an earlier run has done so; a killed training goes on."""
        kind = "plain" if self.training is None else _kind(self.training)
        name = f"{self.origin.architecture}-{kind}-{fingerprint(self.identity_fields())[:12]}"
        design, trained_on = self.design, "training" if self.training is None else "attacked"

        def make(path: Path) -> None:
            data = str(self.setting.data_file(self.origin.training))
            fit_and_save(
                design,
                open_source(data, fit=Fit(*design.input_shape), max_images=self.images),
                path,
                self.command.split(),
                settings=self.settings,
                adversarial=self.training,
                distilled=self.distilled,
                device=self.setting.device,
                progress=lambda epoch: self.tell_epoch(epoch, self.settings.epochs, trained_on),
            )

        path = trained_once(self.setting, name, make)
        return open_network(self.origin.architecture, weights=path, device=self.setting.device)

    def story(self) -> str:
        """How the network was trained, in a sentence."""
        images = "all" if self.images is None else f"{self.images:,}"
        teacher = f", as a teacher's student at T = {self.settings.temperature:g}" if self.distilled else ""
        return (
            f"Trained by the study on {images} images, {self.settings.epochs} epochs{teacher} "
            f"({self.network.parameters:,} weights)."
        )


def _kind(training: AccumulatedTraining | AdversarialTraining) -> str:
    """Name a training in the name of a folder."""
    return type(training.attack).__name__.lower() if isinstance(training, AdversarialTraining) else "accumulated"
