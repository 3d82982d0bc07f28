"""Time the common corruptions beside imagecorruptions, on the same images, in one run on one thread.

    PYTHONPATH=src .venv-bench/bin/python -m benchmarks.corruptions --cifar test.parquet --imagenet val.parquet

Milliseconds of CPU time for each image at severities 1, 3 and 5, the least of the rounds, and how the images differ:
the mean of the absolute difference, which for kinds that draw nothing is that of rounding, and mean and deviation of
the change by both. imagecorruptions has the severities of ImageNet-C for every size, which both are given here, and an
elastic deformation of its own. It is built on what is gone: `pkg_resources` of setuptools, `np.float_` of NumPy and
`multichannel` of scikit-image, which this file puts back in this process alone, so that it can be compared at all.
"""

from __future__ import annotations

import os
import sys
import time
import types
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brittle.data import Fit, open_source
from brittle.physical.corruptions import KINDS, Corruption

THEIRS = {
    "defocus-blur": "defocus_blur",
    "elastic": "elastic_transform",
    "jpeg": "jpeg_compression",
}
"""Names that are not ours with underscores."""
SEVERITIES = (1, 3, 5)


def imagecorruptions() -> Callable[[np.ndarray, int, str], np.ndarray]:
    """Return their function, with what has gone from other packages since put back."""
    if "pkg_resources" not in sys.modules:
        resources: Any = types.ModuleType("pkg_resources")
        resources.resource_filename = lambda package, name: os.path.join(  # noqa: PTH118  # as it was
            os.path.dirname(sys.modules[package].__file__ or ""),  # noqa: PTH120
            name,
        )
        sys.modules["pkg_resources"] = resources
    if "scipy.ndimage.interpolation" not in sys.modules:
        interpolation: Any = types.ModuleType("scipy.ndimage.interpolation")
        interpolation.map_coordinates = import_module("scipy.ndimage").map_coordinates
        sys.modules["scipy.ndimage.interpolation"] = interpolation
    setattr(np, "float_", np.float64)  # noqa: B010  # the name is gone from NumPy 2
    package, inner = import_module("imagecorruptions"), import_module("imagecorruptions.corruptions")
    blur = inner.gaussian
    if not getattr(blur, "put_back", False):

        def gaussian(image: np.ndarray, sigma: Any = 1, multichannel: bool | None = None, **more: Any) -> np.ndarray:
            return blur(image, sigma, channel_axis=-1 if multichannel else None, **more)

        gaussian.put_back = True  # type: ignore[attr-defined]
        setattr(inner, "gaussian", gaussian)  # noqa: B010  # a module declares no attributes
    import_module("cv2").setNumThreads(1)
    return lambda image, severity, name: package.corrupt(image, severity=severity, corruption_name=name)


def least(work: Callable[[], Any], count: int, rounds: int) -> tuple[float, Any]:
    """Return the least CPU milliseconds for each image, and what the work gave."""
    times: list[float] = []
    found = None
    for _ in range(rounds):
        began = time.process_time()
        found = work()
        times.append(1e3 * (time.process_time() - began) / count)
    return min(times), found


def compared(images: Tensor, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Print a line for each kind, and yield its name with our milliseconds and theirs."""
    corrupt = imagecorruptions()
    pictures = [np.ascontiguousarray(one) for one in (images * 255).round().byte().permute(0, 2, 3, 1).numpy()]
    for kind in KINDS:
        name = THEIRS.get(kind, kind.replace("-", "_"))
        ours = theirs = 0.0
        told: list[str] = []
        for severity in SEVERITIES:
            channel = Corruption(kind, severity, "imagenet")
            channel(images[:2])  # what is kept from call to call is made once
            corrupt(pictures[0], severity, name)
            np.random.seed(0)  # noqa: NPY002  # they draw from the global generator
            spent, own = least(partial(channel, images), len(images), rounds)
            ours += spent / len(SEVERITIES)
            spent, made = least(lambda: [corrupt(one, severity, name) for one in pictures], len(images), rounds)  # noqa: B023
            theirs += spent / len(SEVERITIES)
            other = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float() / 255
            changes = [one - images for one in (own, other)]
            told.append(
                f"{severity}: {float((own - other).abs().mean()):.4f} "
                f"({', '.join(f'{float(c.mean()):+.4f} ± {float(c.std()):.4f}' for c in changes)})"
            )
        print(f"{kind:15} {ours:8.3f} ms {theirs:9.3f} ms {theirs / ours:7.1f}x   {'   '.join(told)}", flush=True)
        yield kind, ours, theirs


def main() -> None:
    """Print a table for each size."""
    parser = ArgumentParser(prog="python -m benchmarks.corruptions", description=__doc__)
    parser.add_argument("--cifar", help="images of 32 x 32")
    parser.add_argument("--imagenet", help="images that are cut to 224 x 224")
    parser.add_argument("--images", type=int, default=32, help="of 32 x 32 (default: %(default)s)")
    parser.add_argument("--large-images", type=int, default=4, help="of 224 x 224 (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="timed rounds (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for data, count, fit in (
        (options.cifar, options.images, Fit(3)),
        (options.imagenet, options.large_images, Fit(3, 224, 224, resize=256)),
    ):
        if data is None:
            continue
        images = next(open_source(data, fit=fit, max_images=count).blocks(count)).images
        print(f"\n{len(images)} images of {tuple(images.shape[1:])}, one thread, CPU time: ours, imagecorruptions")
        rows = list(compared(images, options.rounds))
        ours, theirs = sum(row[1] for row in rows), sum(row[2] for row in rows)
        slower = [f"{kind} {b / a:.2f}x" for kind, a, b in rows if b < a]
        print(f"all fifteen     {ours:8.3f} ms {theirs:9.3f} ms {theirs / ours:7.1f}x")
        print(f"median of the ratios {median(b / a for _, a, b in rows):.1f}x; slower: {', '.join(slower) or 'none'}")


if __name__ == "__main__":
    main()
