"""What the page of a universal perturbation reads off its rows."""

import numpy as np
import pyarrow as pa

from brittle.report.universal_curves import curves_of
from brittle.report.universal_parts import beyond_noise, name_of


def table(**columns):
    length = len(next(iter(columns.values())))
    return pa.table({"kind": ["unseen"] * length, **columns})


def test_shares_of_pixels_are_compared_image_by_image():
    """Images differ far more among each other than by what moves them, so that the two intervals overlap."""
    noise = np.linspace(0.1, 0.9, 8)
    found = beyond_noise("unseen", table(share_perturbed=noise + 0.05, share_noise=noise), pixels=True)
    assert (found.more, found.less, found.chance, found.shown) == (8, 0, 2 * 0.5**8, True)
    found = beyond_noise("unseen", table(share_perturbed=noise[::-1], share_noise=noise), pixels=True)
    assert (found.more, found.less, found.shown) == (4, 4, False)
    found = beyond_noise("unseen", table(share_perturbed=noise, share_noise=noise + 0.05), pixels=True)
    assert not found.shown, "noise does more"
    assert beyond_noise("unseen", table(share_perturbed=noise, share_noise=noise), pixels=True).chance == 1


def test_classes_are_compared_image_by_image():
    clean = np.zeros(200, np.int64)
    noise, moved = (np.arange(200) < count for count in (90, 110))
    columns = {"class_clean": clean, "class_perturbed": moved * 1, "class_noise": noise * 1}
    found = beyond_noise("unseen", table(**columns), pixels=False)
    assert (found.more, found.less, found.shown) == (20, 0, True)


def test_a_class_without_a_name_is_called_by_its_number_once():
    passes = [{"number": 1, "score": 0.5}]
    for names, said in (
        ([], "get class 3, of those of others"),
        (["a", "b", "c", "dog"], "get the class dog, of those"),
    ):
        (course, *_) = curves_of({"passes": passes}, name_of(3, names), "images", "images")
        assert said in course.caption
