"""An architecture behind a defence, as it is trained: on what the defence makes of the images."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from brittle.classifiers.classifier import Classifier
from brittle.defences import Defence
from brittle.errors import InputError
from brittle.evaluation.defended import defence_of, spelled_defence
from brittle.models import Architecture
from brittle.models.wider import CHANNELS, wider


@dataclass(frozen=True)
class DesignBehind:
    """A network and the defence before it as one network, that takes the images that the architecture takes.

    Its gradient by the images is that of the adaptive counterpart, so that an attack while training sees through.

    Attributes:
        inner: the architecture, with the channels that the defence shows it.
        defence: what stands before it.
        input_shape: channels, height and width of the images.
    """

    inner: Architecture
    defence: Defence
    input_shape: tuple[int, int, int]

    @classmethod
    def of(cls, architecture: Architecture, given: object) -> "DesignBehind":
        """Put a defence before an architecture, which gets as many channels as the defence makes.

        Raises:
            InputError: no such defence; one that makes images of another size, or needs images itself.
        """
        defence = defence_of(given)
        count = getattr(defence, "channels", lambda count: count)(architecture.input_shape[0])
        inner = architecture if count == architecture.input_shape[0] else wider(architecture, count)
        if (shape := defence.image_shape(inner.input_shape)) != architecture.input_shape:
            raise InputError(
                f"behind {defence.title}, {architecture.name} would take images of {shape}; expected its own "
                f"{architecture.input_shape}"
            )
        return cls(inner, defence, architecture.input_shape)

    @property
    def name(self) -> str:
        """That of the architecture."""
        return self.inner.name

    @property
    def text(self) -> str:
        """The defence as it is written."""
        return spelled_defence(self.defence)

    def build(self) -> nn.Module:
        """Build both with weights drawn from torch's global random state."""
        classifier = Classifier(self.inner.build())
        return self.defence.prepare(classifier, None).adaptive(classifier).classifier.module


def bare(design: object, module: nn.Module) -> nn.Module:
    """Return the network without the defence that it was trained behind, if there was one."""
    if not isinstance(design, DesignBehind):
        return module
    names = list(design.inner.build().state_dict())
    return next(part for part in module.modules() if list(part.state_dict()) == names)


def said_of(design: object) -> dict[str, Any]:
    """Return what the story of a training tells of the defence; nothing without one."""
    if not isinstance(design, DesignBehind):
        return {}
    return {"defence": design.text, CHANNELS: design.inner.input_shape[0]}
