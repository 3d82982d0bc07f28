"""What `run` returns: one row per image."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields

import pyarrow as pa
import torch
from torch import Tensor

from brittle.classifiers.frozen import said_of_autocast
from brittle.types import Fields, Images, Labels, Mask, PerImage, Points


@dataclass(frozen=True)
class Result:
    """One row per image, in the order of the images given.

    Attributes:
        adversarial: the smallest change that meets the goal; where there is none, the allowed point that came nearest;
            where the goal was met from the start, the image itself. (n, c, h, w).
        success: right before, and goal met after, in a fresh forward pass; refused neither before nor after.
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
        seconds: the image's part of its batch's time.
        size_unrounded: of the change before it was put on the grid, finite where the attack succeeded without one;
            None without `quantization`, and for deformations.
        perturbation: the parameters that lead from the clean image to what is returned, such as the fields (n, 2, h,
            w) of deformations in pixels; None where changes are measured on the images.
        trace: margins of the points looked at, (n, longest), NaN where an image had finished; only when asked for.
        refused: whether a network that may refuse images (`Classifier(rejects=True)`) refuses what is returned, which
            then is no success; None of other networks. `prediction` is the class that it would have been given.
        clean_refused: whether it refuses the clean image: a false alarm, which is not right and is not attacked.
        autocast: under which `torch.autocast` of the caller the network was asked and judged, such as "autocast to
            bfloat16 on cpu"; "" for none.
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
    autocast: str = ""

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

    def table(self) -> pa.Table:
        """Return every column but images and perturbations as an Arrow table, for Parquet or pandas."""
        columns: dict[str, Tensor | None] = {}
        for one in fields(self):
            new = {**self.sizes, "flow": self.flow} if one.name == "sizes" else {one.name: getattr(self, one.name)}
            columns = new | columns if one.name == "sizes" else columns | new  # a threat may be called like a column
        return pa.table(
            {
                name: values.cpu().numpy()
                for name, values in columns.items()
                if name not in ("adversarial", "perturbation", "trace", "autocast") and values is not None
            }
        )


class Collector:
    """Fills the rows of a result batch by batch; every column is made once, so batches leave nothing in the memory."""

    def __init__(self, images: Images, dtype: torch.dtype):
        self._adversarial = torch.empty_like(images, dtype=torch.promote_types(images.dtype, dtype))
        self._columns: dict[str, Tensor] = {}
        self._sizes: dict[str, Tensor] = {}
        self._traces: list[Tensor] = []
        self._filled = 0

    def add(
        self, adversarial: Images, columns: dict[str, Tensor], sizes: dict[str, Tensor], trace: Tensor | None
    ) -> None:
        """Append a batch."""
        device, count = self._adversarial.device, len(self._adversarial)
        rows = slice(self._filled, self._filled + len(adversarial))
        self._adversarial[rows] = adversarial
        for kept, new in ((self._columns, columns), (self._sizes, sizes)):
            for name, values in new.items():
                if name not in kept:
                    kept[name] = torch.empty((count, *values.shape[1:]), dtype=values.dtype, device=device)
                kept[name][rows] = values
        self._filled = rows.stop
        if trace is not None:
            self._traces.append(trace.to(device))

    def result(self) -> Result:
        """Return the whole, as found under the autocast that is on."""
        trace = None
        if self._traces:
            longest = max(part.shape[1] for part in self._traces)
            trace = torch.cat(
                [torch.nn.functional.pad(part, (0, longest - part.shape[1]), value=torch.nan) for part in self._traces]
            )
        said = said_of_autocast()
        return Result(adversarial=self._adversarial, trace=trace, autocast=said, sizes=self._sizes, **self._columns)
