"""What `run_dense` returns: one row per image, and what is said of its pixels before and after."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from brittle.types import Images, Mask, PerImage


@dataclass(frozen=True)
class DenseResult:
    """One row per image, in the order of the images given.

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

    def __len__(self) -> int:
        return len(self.success)

    def table(self) -> pa.Table:
        """Return every column but images and maps as an Arrow table, for Parquet or pandas."""
        columns: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            columns |= value if isinstance(value, Mapping) else {one.name: value}
        return pa.table({name: values.cpu().numpy() for name, values in columns.items() if values.ndim == 1})


def on_device(result: DenseResult, device: torch.device) -> DenseResult:
    """Bring all columns to a device, so that the network's holds the batch under way alone."""
    columns: dict[str, Any] = {}
    for one in fields(DenseResult):
        value: Any = getattr(result, one.name)
        mapped = isinstance(value, Mapping)
        columns[one.name] = {name: inner.to(device) for name, inner in value.items()} if mapped else value.to(device)
    return DenseResult(**columns)


def joined(parts: Sequence[DenseResult]) -> DenseResult:
    """Put the rows of batches one after the other."""
    columns: dict[str, Any] = {}
    for one in fields(DenseResult):
        values: list[Any] = [getattr(part, one.name) for part in parts]
        if isinstance(values[0], Mapping):
            columns[one.name] = {name: torch.cat([value[name] for value in values]) for name in values[0]}
        else:
            columns[one.name] = torch.cat(values)
    return DenseResult(**columns)
