"""How much sets of images have in common."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.metrics import class_entropy, difference, pairwise_similarity, transfer_rate


def test_entropy_is_that_of_the_shares():
    found = class_entropy([[0, 0, 0, 1], [5, 6, 7, 8], [2, 2, 2, 2]])
    np.testing.assert_allclose(found, [0.75 * np.log2(4 / 3) + 0.25 * 2, 2, 0])
    assert class_entropy([[True, False]])[0] == 1


def test_similarity_is_the_mean_over_all_pairs():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 7))
    unit = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    pairs = [np.mean([one[i] @ one[j] for i in range(5) for j in range(5) if i != j]) for one in unit]
    np.testing.assert_allclose(pairwise_similarity(vectors), pairs)
    assert pairwise_similarity(vectors[:, :1].repeat(4, 1) * [[[1], [2], [3], [4]]]) == pytest.approx(1)


def test_a_vector_of_zero_is_like_nothing():
    assert pairwise_similarity([[[0.0, 0.0], [0.0, 0.0]]]) == [0.0]
    assert pairwise_similarity([[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])[0] == pytest.approx(1 / 3)


def test_the_interval_of_a_difference_covers_it():
    generator, covered = np.random.default_rng(1), 0
    for _ in range(400):
        found = difference(generator.normal(1, 1, 20), generator.normal(0, 3, 12))
        assert found.n == 32
        covered += found.low < 1 < found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_few_or_equal_values_have_a_difference_and_no_interval():
    assert not difference([1.0] * 7, range(20)).has_interval
    assert not difference([1.0] * 9, [0.0] * 9).has_interval
    assert difference([1.0] * 9, [0.0] * 9).value == 1


def test_shapes_that_cannot_be_are_refused():
    for wrong in (lambda: class_entropy([1, 2]), lambda: pairwise_similarity([[[1.0]]]), lambda: difference([], [1.0])):
        with pytest.raises(InputError, match="expected"):
            wrong()


def test_a_transfer_rate_is_of_the_images_that_both_get_right():
    right, after = [True, True, True, False], [True, False, True, True]
    assert transfer_rate(right, [True, True, False, True], after).value == 0.5
    assert transfer_rate(right, [True, True, False, True], after).n == 2
    with pytest.raises(InputError, match="none of 4 images"):
        transfer_rate([True, False, False, False], [False, True, True, True], after)
    with pytest.raises(InputError, match="expected one each"):
        transfer_rate(right, right, [True])
