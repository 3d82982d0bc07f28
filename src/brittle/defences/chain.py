"""Several defences around one network."""

from dataclasses import dataclass, replace
from typing import Self

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import preserving_state
from brittle.defences.defence import Adaptive, Defence
from brittle.errors import InputError
from brittle.types import Images

SEED = 0
"""Of what a random link does to the clean images of those behind it."""


@dataclass(frozen=True)
class Chain(Defence):
    """Defences one before the other: an image meets the first one first.

    Its adaptive counterpart is that of all of them: each one's surrogate at that one's own input, the draws of the most
    random one, and the highest confidence.

    Attributes:
        links: the defences, two or more; written `first+second`.

    Raises:
        InputError: fewer than two.
    """

    links: tuple[Defence, ...] = ()

    def __post_init__(self):
        if len(self.links) < 2:
            raise InputError(f"a chain of {len(self.links)} defences; expected two or more, such as jpeg+randomise")
        needed = max(link.images_needed for link in self.links)
        object.__setattr__(self, "images_needed", needed)  # what the hungriest link needs

    def protect(self, classifier: Classifier) -> Classifier:
        """Return the classifier behind all of them."""
        for link in reversed(self.links):
            classifier = link.protect(classifier)
        return classifier

    def adaptive(self, classifier: Classifier) -> Adaptive:
        """Return the classifier behind all of them, and the means against each of them together."""
        found: list[Adaptive] = []
        for link in reversed(self.links):
            found.append(link.adaptive(classifier))
            classifier = found[-1].classifier
        draws = max(one.eot_samples for one in found)
        notes = [one.over(draws).note for one in reversed(found)]
        return Adaptive(
            classifier,
            draws,
            max(one.confidence for one in found),
            "; ".join(f"{link.title}: {note}" for link, note in zip(self.links, notes, strict=True)),
        )

    @property
    def ready(self) -> bool:
        """Whether all of them are."""
        return all(link.ready for link in self.links)

    def prepare(self, classifier: Classifier, images: Images | None) -> Self:
        """Make each of them ready for what lies behind it, with images as those before it leave them."""
        ready: list[Defence] = []
        for link, seen in zip(reversed(self.links), reversed(self._seen(classifier, images)), strict=True):
            ready.insert(0, link.prepare(classifier, seen))
            classifier = ready[0].protect(classifier)
        return replace(self, links=tuple(ready))

    def _seen(self, classifier: Classifier, images: Images | None) -> list[Images | None]:
        """Return what each link gets to see of clean images, as far as those behind it need any."""
        seen = [images]
        for number, link in enumerate(self.links[:-1], 1):
            last = seen[-1]
            if last is not None and any(one.images_needed for one in self.links[number:]):
                with preserving_state(classifier.module, SEED):
                    last = (link if link.ready else link.prepare(classifier, last)).shown(classifier, last)
            seen.append(last)
        return seen

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return which images the first of them takes."""
        for link in reversed(self.links):
            shape = link.image_shape(shape)
        return shape

    def shown(self, classifier: Classifier, images: Images) -> Images:
        """Return what the network sees after all of them."""
        behind: list[Classifier] = [classifier]
        for link in reversed(self.links[1:]):
            behind.insert(0, link.protect(behind[0]))
        for link, inner in zip(self.links, behind, strict=True):
            images = link.shown(inner, images)
        return images
