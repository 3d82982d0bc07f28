"""A simulated camera: photographs of a page from any side, with another thing behind it, in uneven light."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from brittle.physical.perspective import moved, perspective_map

Corners = Sequence[tuple[float, float]]


def photograph(
    page: NDArray[np.uint8],
    corners: Corners,
    size: tuple[int, int],
    *,
    seed: int = 0,
    noise: float = 0.02,
    blur: float = 0.7,
    shade: float = 0.3,
    quality: int = 85,
    tint: tuple[float, float, float] = (1.0, 0.97, 0.9),
) -> NDArray[np.uint8]:
    """Photograph a page.

    Args:
        page: (h, w, 3).
        corners: where top left, top right, bottom right and bottom left of the page appear, right and down.
        size: width and height of the photograph.
        seed: of noise and background.
        noise: standard deviation of a value between 0 and 1.
        blur: standard deviation in pixels.
        shade: by how much the light falls from the top left to the bottom right.
        quality: of the JPEG file.
        tint: of the light.
    """
    generator = np.random.default_rng(seed)
    (width, height), (tall, wide) = size, page.shape[:2]
    outline = np.array([[0.0, 0], [wide, 0], [wide, tall], [0, tall]])
    way = perspective_map(np.array(corners, dtype=float), outline)
    down, right = np.mgrid[:height, :width]
    places = moved(way, np.stack([right.ravel(), down.ravel()], 1).astype(float))
    inside = ((places >= 0) & (places <= (wide, tall))).all(1)
    reduced = max(1.0, wide / max(abs(corners[1][0] - corners[0][0]), abs(corners[1][1] - corners[0][1])))
    sharp = ndimage.gaussian_filter(page / 255, (0.45 * reduced, 0.45 * reduced, 0)) if reduced > 1 else page / 255
    seen = ndimage.gaussian_filter(generator.random((height, width, 3)), (4, 4, 0)).reshape(-1, 3)
    seen = (seen - seen.min()) / np.ptp(seen)
    for channel in range(3):
        at = places[inside][:, ::-1].T - 0.5
        seen[inside, channel] = ndimage.map_coordinates(sharp[..., channel], at, order=1, mode="nearest")
    light = (1 - shade * (0.6 * right / width + 0.4 * down / height))[..., None] * np.array(tint)
    lit = ndimage.gaussian_filter(0.02 + 0.95 * seen.reshape(height, width, 3) * light, (blur, blur, 0))
    levels = ((lit + noise * generator.standard_normal(lit.shape)).clip(0, 1) * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def upright(size: tuple[int, int], seed: int, lean: float = 0.06) -> list[tuple[float, float]]:
    """Return corners of a page that nearly fills a photograph, each drawn in by up to `lean` of the side."""
    generator, (width, height) = np.random.default_rng(seed), size
    inwards = [(0.05 + generator.uniform(0, lean), 0.05 + generator.uniform(0, lean)) for _ in range(4)]
    ends = [(0, 0), (1, 0), (1, 1), (0, 1)]
    return [(width * abs(x - one), height * abs(y - other)) for (x, y), (one, other) in zip(ends, inwards, strict=True)]
