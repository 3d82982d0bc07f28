"""What `run_dense` returns: one row per image, and what is said of its pixels before and after."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from brittle.core.terms import NOTHING_TRIED, Terms, median_change, size_line
from brittle.metrics.estimate import Estimate, proportion
from brittle.metrics.formats import estimate_text
from brittle.notebook import Example, Summarised
from brittle.pictures import depth_pictures, segmentation_picture
from brittle.tabular import Tabular
from brittle.types import Images, Mask, PerImage
from brittle.words import plural


@dataclass(frozen=True, repr=False)
class DenseResult(Tabular, Summarised):
    """One row per image, in the order of the images given; printed, it is a few lines, and in a notebook a view.

    Attributes:
        adversarial: the smallest change that makes enough pixels wrong; where there is none, the allowed point that
            came nearest; where enough are wrong from the start, the image itself. (n, c, h, w).
        success: enough pixels are wrong (or on target) in a fresh forward pass, and were not before.
        already: enough are so in the clean image; its size is 0 and it is no success.
        size: of the change by the threat; 0 where `already`, infinite where nothing was found.
        sizes: of the change of what is returned, (n,) by the name of each threat that images show (l0, l1, l2, linf,
            pixels), and by that of the threat.
        clean_share: which part of the counted pixels is wrong (or on target) in the clean image, 0 to 1.
        share: likewise in what is returned.
        clean_map: class (int64) or depth (float) of each pixel of the clean image, (n, h, w), as large as the network's
            output.
        map: likewise of what is returned.
        errors: of depths, beside those that they are to leave or to reach, over the pixels that count (Eigen et al.,
            NIPS 2014): `absolute`, the mean |d - d*| / d*, and `within`, the fraction with max(d / d*, d* / d) < 1.25,
            in what is returned; `clean_absolute` and `clean_within` in the clean image. (n,) each; none of classes.
        margin: by how much the last pixel that is needed is beyond its boundary; negative before it. In logits, or of
            depths in the natural logarithm of their ratio.
        forward, backward: passes that the image has needed, the clean and the verifying pass included.
        iterations: steps taken.
        nonfinite_outputs: points at which the network said NaN or infinity; they count as no success.
        nonfinite_gradients: gradients with an entry that is NaN or infinite; 0 takes its place.
        seconds: the image's part of its batch's time.
        terms: the attack, the question and a few of the originals, for whoever shows the result.
    """

    adversarial: Images
    success: Mask
    already: Mask
    size: PerImage
    sizes: Mapping[str, PerImage]
    clean_share: PerImage
    share: PerImage
    clean_map: Tensor
    map: Tensor
    errors: Mapping[str, PerImage]
    margin: PerImage
    forward: Tensor
    backward: Tensor
    iterations: Tensor
    nonfinite_outputs: Tensor
    nonfinite_gradients: Tensor
    seconds: Tensor
    terms: Terms | None = None

    def __len__(self) -> int:
        return len(self.success)

    @property
    def success_rate(self) -> Estimate | None:
        """Of the images that were not broken from the start, the fraction that was; None without any."""
        tried = int((~self.already).sum())
        return proportion(int(self.success.sum()), tried) if tried else None

    def summary(self) -> dict[str, Estimate]:
        """Return the figures that exist, by name: success_rate and median_size, both over the images not yet broken."""
        median = median_change(self.size, ~self.already, self.success)
        rate = self.success_rate
        return {} if median is None or rate is None else {"success_rate": rate, "median_size": median}

    def headline(self) -> str:
        """Return the attack, the question and the number of images in one line."""
        images = plural(len(self), "image")
        return images if self.terms is None else self.terms.sentence(images)

    def lines(self) -> list[tuple[str, str]]:
        """Return the success rate, the share of pixels and the size of the changes, each with its name."""
        rate = self.success_rate
        said = [NOTHING_TRIED if rate is None else ("success rate", estimate_text(rate))]
        if len(self):
            said.append(("share of pixels", f"{float(self.share.double().mean()):.1%}, mean over the images"))
        return said if self.terms is None else said + size_line(self.terms, self.size, ~self.already, self.success)

    def examples(self) -> list[Example]:
        """Return the first few images that were broken, with what is said of their pixels before and after."""
        if self.terms is None:
            return []
        places = self.success.nonzero()[: len(self.terms.originals), 0]
        pairs = zip(self.terms.drawn(self.terms.originals), self.terms.drawn(self.adversarial[places]), strict=True)
        return [
            Example(f"image {place}: {float(self.share[place]):.0%} of the pixels", *pair, more=self._maps(place))
            for place, pair in zip(places.tolist(), pairs, strict=True)
        ]

    def _maps(self, place: int) -> tuple[tuple[str, Image.Image], ...]:
        before, after = (maps[place].cpu().numpy() for maps in (self.clean_map, self.map))
        if self.map.is_floating_point():
            pictures = depth_pictures([before.astype(np.float64), after.astype(np.float64)])
            return tuple(zip(("depths", "after"), pictures, strict=True))
        return ("segmentation", segmentation_picture(before)), ("after", segmentation_picture(after))

    def table(self) -> pa.Table:
        """Return every column but images and maps as an Arrow table, for Parquet or pandas."""
        columns: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            columns |= value if isinstance(value, Mapping) else {one.name: value}
        columns.pop("terms")
        return pa.table({name: values.cpu().numpy() for name, values in columns.items() if values.ndim == 1})


def columns_of_results() -> list[Field[Any]]:
    """Return the fields that have a row per image."""
    return [one for one in fields(DenseResult) if one.name != "terms"]


def on_device(result: DenseResult, device: torch.device) -> DenseResult:
    """Bring all columns to a device, so that the network's holds the batch under way alone."""
    columns: dict[str, Any] = {}
    for one in columns_of_results():
        value: Any = getattr(result, one.name)
        mapped = isinstance(value, Mapping)
        columns[one.name] = {name: inner.to(device) for name, inner in value.items()} if mapped else value.to(device)
    return DenseResult(**columns)


def joined(parts: Sequence[DenseResult]) -> DenseResult:
    """Put the rows of batches one after the other."""
    columns: dict[str, Any] = {}
    for one in columns_of_results():
        values: list[Any] = [getattr(part, one.name) for part in parts]
        if isinstance(values[0], Mapping):
            columns[one.name] = {name: torch.cat([value[name] for value in values]) for name in values[0]}
        else:
            columns[one.name] = torch.cat(values)
    return DenseResult(**columns)
