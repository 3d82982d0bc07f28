"""What the page of a universal perturbation reads off its rows."""

import numpy as np
import pyarrow as pa

from brittle.report.universal_parts import beyond_noise


def table(**columns):
    length = len(next(iter(columns.values())))
    return pa.table({"kind": ["unseen"] * length, **columns})


def test_shares_of_pixels_are_compared_image_by_image():
    """Images differ far more among each other than by what moves them, so that the two intervals overlap."""
    noise = np.linspace(0.1, 0.9, 400)
    more = beyond_noise("unseen", table(share_perturbed=noise + 0.05, share_noise=noise), pixels=True)
    assert np.isclose(more.value, 0.05)
    assert more.low > 0.02
    less = beyond_noise("unseen", table(share_perturbed=noise[::-1], share_noise=noise), pixels=True)
    assert less.low < 0 < less.high


def test_classes_are_compared_image_by_image():
    clean = np.zeros(200, np.int64)
    noise, moved = (np.arange(200) < count for count in (90, 110))
    found = beyond_noise(
        "unseen", table(class_clean=clean, class_perturbed=moved * 1, class_noise=noise * 1), pixels=False
    )
    assert np.isclose(found.value, 0.1)
    assert found.low > 0
