"""Fooling rates, likeness, energy and the graph of labels on small cases worked out by hand."""

import numpy as np
import pytest

from brittle.errors import InputError
from brittle.metrics import dimensions, fooling_rate, inner_products, label_graph, largest_inner_product, proportion


def test_a_fooling_rate_counts_changed_classes_with_an_exact_interval():
    assert fooling_rate(np.arange(10), np.r_[np.arange(7), 0, 0, 0]) == proportion(3, 10)
    with pytest.raises(InputError, match="expected as many"):
        fooling_rate(np.arange(3), np.arange(2))
    with pytest.raises(InputError, match="n = 0"):
        fooling_rate(np.arange(0), np.arange(0))


def test_inner_products_do_not_see_lengths():
    products = inner_products(np.array([[1.0, 0, 0], [0, 5, 0], [-3, 0, 4]]))
    assert products == pytest.approx(np.array([[1, 0, -0.6], [0, 1, 0], [-0.6, 0, 1]]))
    assert largest_inner_product(products) == pytest.approx(0.6)
    with pytest.raises(InputError, match="perturbation 1 is zero"):
        inner_products(np.array([[1.0, 0], [0, 0]]))
    with pytest.raises(InputError, match="at least two"):
        largest_inner_product(np.ones((1, 1)))


@pytest.mark.parametrize(("fraction", "count"), [(0.5, 1), (0.64, 1), (0.65, 2), (0.99, 2), (1, 2)])
def test_dimensions_hold_a_share_of_the_squares(fraction, count):
    assert dimensions(np.array([0.0, 3.0, 4.0]), fraction) == count


@pytest.mark.parametrize(
    ("values", "fraction", "message"), [([1.0], 0, "fraction is 0"), ([0.0], 0.5, "no energy"), ([], 0.5, "no energy")]
)
def test_energy_that_does_not_exist_is_refused(values, fraction, message):
    with pytest.raises(InputError, match=message):
        dimensions(np.array(values), fraction)


def test_a_graph_has_an_edge_where_most_images_go():
    clean = np.array([0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 5])
    moved = np.array([9, 9, 8, 0, 9, 9, 1, 2, 1, 6, 7, 8])  # half of class 0 is not most; class 2 stays; 5 is split
    graph = label_graph(clean, moved)
    assert [(one.source, one.target, one.led, one.images) for one in graph.edges] == [
        (1, 9, 2, 3),
        (3, 1, 1, 1),
        (4, 6, 1, 1),
    ]
    assert graph.components == ((1, 3, 9), (4, 6))
    assert graph.in_degrees == ((1, 1), (6, 1), (9, 1))
    assert [one.source for one in label_graph(clean, moved, least=2).edges] == [1]


def test_the_largest_component_and_the_dominant_label_come_first():
    graph = label_graph(np.arange(6), np.array([1, 0, 3, 5, 5, 5]))
    assert graph.components == ((2, 3, 4, 5), (0, 1))
    assert graph.in_degrees[0] == (5, 2)


def test_no_image_is_fooled():
    graph = label_graph(np.arange(4), np.arange(4))
    assert (graph.edges, graph.components, graph.in_degrees) == ((), (), ())
    with pytest.raises(InputError, match="least is 0"):
        label_graph(np.arange(4), np.arange(4), least=0)
