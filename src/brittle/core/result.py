"""What `run` returns: one row per image."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from brittle.core.terms import NOTHING_TRIED, Terms, median_change, size_line
from brittle.errors import InputError
from brittle.metrics.estimate import Estimate, proportion
from brittle.metrics.formats import Units, estimate_text
from brittle.notebook import Example, Summarised
from brittle.tabular import Tabular
from brittle.types import Fields, Images, Labels, Mask, PerImage, Points
from brittle.words import plural


@dataclass(frozen=True, repr=False)
class Result(Tabular, Summarised):
    """One row per image, in the order of the images given; printed, it is a few lines, and in a notebook a view.

    Attributes:
        adversarial: the smallest change that meets the goal; where there is none, the allowed point that came nearest;
            where the goal was met from the start, the image itself. (n, c, h, w).
        success: right before, and goal met after, in a fresh forward pass; refused neither before nor after. Of a
            targeted run, an image that became another wrong class is no success; `robust_accuracy` counts it.
        already: the goal was met by the clean image; its size is 0 and it is no success.
        size: of the change by the threat; 0 where `already`, infinite where nothing was found.
        sizes: of the change of what is returned, (n,) by the name of each threat that images show (l0, l1, l2, linf,
            pixels), and by that of the threat.
        clean_prediction, clean_confidence: of the clean image (confidence: largest softmax value).
        prediction, confidence: of what is returned.
        margin: of what is returned, in logits beyond the boundary (negative before it).
        forward, backward: passes that the image has needed, alone or in company, the clean and the verifying pass
            included. Where others of its batch still go back through a graph, it rides along and is not charged.
        iterations: steps taken.
        nonfinite_outputs: points at which the network said NaN or infinity; they count as no success, and searches
            turn back from them.
        nonfinite_gradients: gradients with an entry that is NaN or infinite; 0 takes its place, and the finite entries
            carry the search.
        zero_gradients: gradients that were zero in every value, which show a search no way; None where nobody counted.
        undone: broken while it was searched for, and not when the network was asked again, as one that answers at
            random does; None where nobody looked.
        seconds: the image's part of its batch's time.
        size_unrounded: of the change before it was put on the grid, finite where the attack succeeded without one;
            None without `quantization`, and for deformations.
        perturbation: the parameters that lead from the clean image to what is returned, such as the fields (n, 2, h,
            w) of deformations in pixels; None where changes are measured on the images.
        trace: margins of the points looked at, (n, longest), NaN where an image had finished; only when asked for.
        refused: whether a network that may refuse images (`Classifier(rejects=True)`) refuses what is returned, which
            then is no success; None of other networks. `prediction` is the class that it would have been given.
        clean_refused: whether it refuses the clean image: a false alarm, which is not right and is not attacked.
        verified: of a hurried search (`run(precision=)`), points of each image that it took for adversarial and that
            were shown to the network as it is; `disputed` those that this did not take for it. None of other searches.
        disputed: see there.
        target: the classes that were to be reached, (n,); None of goals that are not targeted.
        autocast: under which `torch.autocast` of the caller the network was asked and judged, such as "autocast to
            bfloat16 on cpu"; "" for none.
        labels: the true classes, (n,); None where none were given.
        terms: the attack, the question and a few of the originals, for whoever shows the result.
    """

    adversarial: Images
    success: Mask
    already: Mask
    size: PerImage
    sizes: Mapping[str, PerImage]
    clean_prediction: Labels
    clean_confidence: PerImage
    prediction: Labels
    confidence: PerImage
    margin: PerImage
    forward: Tensor
    backward: Tensor
    iterations: Tensor
    nonfinite_outputs: Tensor
    nonfinite_gradients: Tensor
    seconds: Tensor
    size_unrounded: PerImage | None = None
    perturbation: Points | None = None
    trace: Tensor | None = None
    refused: Mask | None = None
    clean_refused: Mask | None = None
    verified: Tensor | None = None
    disputed: Tensor | None = None
    target: Labels | None = None
    autocast: str = ""
    labels: Labels | None = None
    zero_gradients: Tensor | None = None
    undone: Mask | None = None
    terms: Terms | None = None

    def __len__(self) -> int:
        return len(self.success)

    @property
    def l0(self) -> PerImage:
        """How many values differ."""
        return self.sizes["l0"]

    @property
    def l1(self) -> PerImage:
        """By how much values differ in total."""
        return self.sizes["l1"]

    @property
    def l2(self) -> PerImage:
        """Euclidean length of the change."""
        return self.sizes["l2"]

    @property
    def linf(self) -> PerImage:
        """The largest change of a value."""
        return self.sizes["linf"]

    @property
    def pixels(self) -> PerImage:
        """How many pixels differ in any channel."""
        return self.sizes["pixels"]

    @property
    def flow(self) -> PerImage:
        """The longest vector of the deformation, in pixels; infinite unless the threat is `Flow`."""
        return self.sizes.get("flow", torch.full_like(self.size, torch.inf))

    @property
    def field(self) -> Fields | None:
        """The deformation that leads to what is returned, (n, 2, h, w) in pixels; None unless the threat is `Flow`."""
        return self.perturbation if "flow" in self.sizes else None

    @property
    def lattice_cost(self) -> PerImage | None:
        """`quantization_cost`, by its older name."""
        warnings.warn("lattice_cost is called quantization_cost now", DeprecationWarning, stacklevel=2)
        return self.quantization_cost

    @property
    def quantization_cost(self) -> PerImage | None:
        """By how much the grid made the change larger; infinite where it lost it, NaN where nothing was found."""
        return None if self.size_unrounded is None else self.size - self.size_unrounded

    @property
    def correct(self) -> Mask:
        """Which images were right before; without labels, which could be attacked: neither refused nor at the goal."""
        accepted = torch.ones_like(self.success) if self.clean_refused is None else ~self.clean_refused
        return accepted & (~self.already if self.labels is None else self.clean_prediction == self.labels)

    @property
    def success_rate(self) -> Estimate | None:
        """Of the images that were right and not at the goal before, the fraction that the attack brought to the goal.

        None where there is no such image, as in a block that the network has all wrong.
        """
        tried = int(self._tried.sum())
        return proportion(int(self.success.sum()), tried) if tried else None

    @property
    def clean_accuracy(self) -> Estimate:
        """Of all images, the fraction that is right without an attack.

        Raises:
            InputError: there were no labels, or no images.
        """
        return self._of_labels(self.correct)

    @property
    def robust_accuracy(self) -> Estimate:
        """Of all images, the fraction that is right before and after the attack: an upper bound.

        It goes by the labels, whatever the goal was: an image that a targeted attack brought to a wrong class other
        than its target is no longer right.

        Raises:
            InputError: there were no labels, or no images.
        """
        return self._of_labels(self.correct & ~self._fallen)

    def summary(self) -> "dict[str, Estimate]":
        """Return the figures that exist, by name: clean_accuracy, success_rate, robust_accuracy and median_size.

        The rates of accuracy need labels; the median is that of a search for the smallest change, over the images that
        were right before, and infinite where less than half of them were broken.
        """
        figures: dict[str, Estimate] = {}
        if self.labels is not None and len(self):
            figures |= {"clean_accuracy": self.clean_accuracy, "robust_accuracy": self.robust_accuracy}
        if (rate := self.success_rate) is not None:
            figures["success_rate"] = rate
        median = median_change(self.size, self._tried, self.success)
        if median is not None and (self.terms is None or self.terms.searches):
            figures["median_size"] = median
        return figures

    def plot(self, radii: Sequence[float] | None = None) -> Any:
        """Draw the security curve of this result alone, as a figure of plotly; see `security_curve`."""
        from brittle.core.curve import security_curve

        span = 1.0 if self.terms is None else self.terms.bounds.span
        return security_curve(self, radii).plot(span=span)

    def headline(self) -> str:
        """Return the attack, the question and the number of images in one line."""
        images = plural(len(self), "image")
        return images if self.terms is None else self.terms.sentence(images)

    def lines(self) -> list[tuple[str, str]]:
        """Return the rates and the size of the changes, each with its name."""
        figures = self.summary()
        names = {name: name.replace("_", " ") for name in ("clean_accuracy", "success_rate", "robust_accuracy")}
        said = [(title, estimate_text(figures[name])) for name, title in names.items() if name in figures]
        said += [] if "success_rate" in figures else [NOTHING_TRIED]
        said += [] if self.terms is None else size_line(self.terms, self.size, self._tried, self.success)
        return [*said, *self._doubts()]

    def _doubts(self) -> list[tuple[str, str]]:
        """Return what the search met that may make the network look more robust than it is."""
        found: list[tuple[str, str]] = []
        stands = self._tried & ~self.success
        blind = 0 if self.zero_gradients is None else int((stands & (self.zero_gradients > 0)).sum())
        if blind:
            of = f"{blind:,} of {plural(int(stands.sum()), 'image')} that stand"
            found.append(("zero gradients", f"{of} had some, which show an attack no way: are gradients masked?"))
        lost = 0 if self.undone is None else int(self.undone.sum())
        if lost:
            said = f"{plural(lost, 'image')} broken in the search, and not when asked once more"
            found.append(("not again", f"{said}: if it answers at random, give eot_samples"))
        return found

    def examples(self) -> list[Example]:
        """Return the first few images that were broken, beside their originals."""
        if self.terms is None:
            return []
        places = self.success.nonzero()[: len(self.terms.originals), 0]
        pairs = zip(self.terms.drawn(self.terms.originals), self.terms.drawn(self.adversarial[places]), strict=True)
        captions = [
            f"image {place}: {int(self.clean_prediction[place])} → {int(self.prediction[place])} "
            f"({float(self.confidence[place]):.0%}), {self._size_text(place)}"
            for place in places.tolist()
        ]
        return [Example(caption, *pair) for caption, pair in zip(captions, pairs, strict=True)]

    def table(self) -> pa.Table:
        """Return every column but images and perturbations as an Arrow table, for Parquet or pandas.

        The functions of `brittle.metrics` take it; its `label` is the class predicted where none was given.
        """
        columns: dict[str, Tensor | None] = {}
        first: dict[str, Tensor | None] = {
            "index": torch.arange(len(self)),
            "label": self.clean_prediction if self.labels is None else self.labels,
            "correct": self.correct,
        }
        for one in fields(self):
            new = {**self.sizes, "flow": self.flow} if one.name == "sizes" else {one.name: getattr(self, one.name)}
            columns = new | columns if one.name == "sizes" else columns | new  # a threat may be called like a column
        return pa.table(
            {
                name: values.cpu().numpy()
                for name, values in {**first, **columns, **first}.items()
                if name not in NO_COLUMNS and values is not None
            }
        )

    @property
    def _fallen(self) -> Mask:
        """Which images the goal was met for, or that are wrong after the attack and not refused."""
        wrong = torch.zeros_like(self.success) if self.labels is None else self.prediction != self.labels
        return self.success | (wrong if self.refused is None else wrong & ~self.refused)

    @property
    def _tried(self) -> Mask:
        return self.correct & ~self.already

    def _of_labels(self, counted: Mask) -> Estimate:
        if self.labels is None:
            raise InputError(
                "there were no labels, so that no image is known to be right; give labels to `run`, or ask for the "
                "success_rate"
            )
        return proportion(int(counted.sum()), len(self))

    def _size_text(self, place: int) -> str:
        threat = "" if self.terms is None else self.terms.threat.name
        units = Units(1.0) if self.terms is None else self.terms.units
        return f"{threat} {units.text(float(self.size[place]), threat)}"


NO_COLUMNS = ("adversarial", "perturbation", "trace", "autocast", "labels", "zero_gradients", "undone", "terms")
"""Fields of a result that are no column of its table."""
