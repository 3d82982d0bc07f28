"""The fifteen kinds of corruptions with their published severities.

Hendrycks & Dietterich, ICLR 2019, section 3 and appendix B (arXiv:1903.12261); the figures are those of the code that
made ImageNet-C and CIFAR-10-C (github.com/hendrycks/robustness, ImageNet-C/create_c/make_imagenet_c.py and
make_cifar_c.py), which differ. Their authors say "glass blur" where one swaps pixels, and leave "244" for 224 in
`elastic`; both stand here as they made the data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brittle.physical.corruptions import blurs, digital, noise, weather
from brittle.physical.corruptions.frost import frost
from brittle.types import Images

Levels = tuple[tuple[Any, ...], ...]
"""Arguments at severities 1 to 5."""


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    Attributes:
        title: in tables, such as "Zoom blur".
        family: noise, blur, weather or digital.
        change: what it does to images with their streams and the arguments of a severity; it may leave the range.
        cifar: arguments at severities 1 to 5 for images of 32 x 32.
        imagenet: for images of 224 x 224.
        random: whether it draws random numbers.
        differentiable: whether automatic differentiation goes through it.
    """

    title: str
    family: str
    change: Callable[..., Images]
    cifar: Levels
    imagenet: Levels
    random: bool = True
    differentiable: bool = True


def _one(*values: float) -> Levels:
    return tuple((value,) for value in values)


KINDS: dict[str, Kind] = {
    "gaussian-noise": Kind(
        "Gaussian noise", "noise", noise.gaussian_noise,
        _one(0.04, 0.06, 0.08, 0.09, 0.10), _one(0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    "shot-noise": Kind(
        "Shot noise", "noise", noise.shot_noise,
        _one(500, 250, 100, 75, 50), _one(60, 25, 12, 5, 3), differentiable=False,
    ),
    "impulse-noise": Kind(
        "Impulse noise", "noise", noise.impulse_noise,
        _one(0.01, 0.02, 0.03, 0.05, 0.07), _one(0.03, 0.06, 0.09, 0.17, 0.27),
    ),
    "defocus-blur": Kind(
        "Defocus blur", "blur", blurs.defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), random=False,
    ),
    "glass-blur": Kind(
        "Glass blur", "blur", blurs.glass_blur,
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    "motion-blur": Kind(
        "Motion blur", "blur", blurs.motion_blur,
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    "zoom-blur": Kind(
        "Zoom blur", "blur", blurs.zoom_blur,
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)), random=False,
    ),
    "snow": Kind(
        "Snow", "weather", weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "frost": Kind(
        "Frost", "weather", frost,
        ((1, 0.2, 5), (1, 0.3, 5), (0.9, 0.4, 5), (0.85, 0.4, 5), (0.75, 0.45, 5)),
        ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    ),
    "fog": Kind(
        "Fog", "weather", weather.fog,
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": Kind(
        "Brightness", "weather", weather.brightness,
        _one(0.05, 0.1, 0.15, 0.2, 0.3), _one(0.1, 0.2, 0.3, 0.4, 0.5), random=False,
    ),
    "contrast": Kind(
        "Contrast", "digital", digital.contrast,
        _one(0.75, 0.5, 0.4, 0.3, 0.15), _one(0.4, 0.3, 0.2, 0.1, 0.05), random=False,
    ),
    "elastic": Kind(
        "Elastic deformation", "digital", digital.elastic,
        (
            (0, 0, 32 * 0.08),
            (32 * 0.05, 32 * 0.2, 32 * 0.07),
            (32 * 0.08, 32 * 0.06, 32 * 0.06),
            (32 * 0.1, 32 * 0.04, 32 * 0.05),
            (32 * 0.1, 32 * 0.03, 32 * 0.03),
        ),
        (
            (244 * 2, 244 * 0.7, 244 * 0.1),
            (244 * 2, 244 * 0.08, 244 * 0.2),
            (244 * 0.05, 244 * 0.01, 244 * 0.02),
            (244 * 0.07, 244 * 0.01, 244 * 0.02),
            (244 * 0.12, 244 * 0.01, 244 * 0.02),
        ),
    ),
    "pixelate": Kind(
        "Pixelation", "digital", digital.pixelate,
        _one(0.95, 0.9, 0.85, 0.75, 0.65), _one(0.6, 0.5, 0.4, 0.3, 0.25), random=False,
    ),
    "jpeg": Kind(
        "JPEG", "digital", digital.jpeg,
        _one(80, 65, 58, 50, 40), _one(25, 18, 15, 10, 7), random=False, differentiable=False,
    ),
}  # fmt: skip
"""By name, in the order of the paper's tables."""
