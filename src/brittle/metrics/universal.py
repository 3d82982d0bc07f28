"""What a universal perturbation does: fooling rate, likeness of several, and the classes that images are led to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brittle.errors import InputError
from brittle.metrics.estimate import Estimate, Floats, Integers, proportion


def _check_as_many(clean: Integers, moved: Integers) -> None:
    if np.shape(clean) != np.shape(moved):
        raise InputError(f"{np.shape(clean)} classes before and {np.shape(moved)} after; expected as many of both")


def fooling_rate(clean: Integers, moved: Integers) -> Estimate:
    """Estimate the fraction of images whose predicted class changes.

    Moosavi-Dezfooli et al., "Universal adversarial perturbations", CVPR 2017, section 3: no label is needed.

    Args:
        clean: class predicted without the perturbation, (n,).
        moved: class predicted with it, (n,).

    Raises:
        InputError: different numbers of images, or none.

    Example:
        >>> fooling_rate(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0])).value
        0.5
    """
    _check_as_many(clean, moved)
    return proportion(int((np.asarray(clean) != np.asarray(moved)).sum()), len(clean))


def reaching_rate(clean: Integers, moved: Integers, target: int) -> Estimate | None:
    """Estimate the fraction of the images of other classes that are taken for one class.

    Args:
        clean: class predicted without the perturbation, (n,).
        moved: class predicted with it, (n,).
        target: the class.

    Returns:
        The estimate; None where all images are of that class already.

    Raises:
        InputError: different numbers of images.

    Example:
        >>> reaching_rate(np.array([1, 2, 3, 4]), np.array([3, 3, 3, 4]), 3).value.__round__(3)
        0.667
    """
    _check_as_many(clean, moved)
    others = np.asarray(clean) != target
    count = int(others.sum())
    return proportion(int((np.asarray(moved)[others] == target).sum()), count) if count else None


def inner_products(perturbations: Floats) -> Floats:
    """Return the cosines between perturbations, (k, k); the section on diversity of the same paper has its largest.

    Args:
        perturbations: one in each row, (k, d).

    Raises:
        InputError: a perturbation of length 0, which has no direction.

    Example:
        >>> inner_products(np.array([[2.0, 0.0], [3.0, 3.0]])).round(3).tolist()
        [[1.0, 0.707], [0.707, 1.0]]
    """
    rows = np.asarray(perturbations, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise InputError(f"perturbation {int(np.argmin(lengths))} is zero; it has no direction to compare")
    rows = rows / lengths
    return rows @ rows.T


def largest_inner_product(products: Floats) -> float:
    """Return the largest cosine, by its absolute value, between two different perturbations.

    Args:
        products: as of `inner_products`, (k, k), k >= 2.

    Raises:
        InputError: fewer than two.
    """
    if len(products) < 2:
        raise InputError("one perturbation has no other to be compared with; give at least two")
    return float(np.abs(products[~np.eye(len(products), dtype=bool)]).max())


def dimensions(values: Floats, fraction: float = 0.5) -> int:
    """Count the leading singular values that hold a fraction of the energy, the sum of all squares.

    Args:
        values: all singular values, in any order.
        fraction: above 0, at most 1.

    Raises:
        InputError: another fraction, or values that are all 0.

    Example:
        >>> dimensions(np.array([3.0, 1.0, 1.0, 1.0])), dimensions(np.ones(4))
        (1, 2)
    """
    energy = np.sort(np.asarray(values, dtype=np.float64) ** 2)[::-1].cumsum()
    if not 0 < fraction <= 1:
        raise InputError(f"the fraction is {fraction}; expected a number above 0, at most 1")
    if not len(energy) or not energy[-1] > 0:
        raise InputError("the singular values hold no energy: there are none, or all are 0")
    reached = energy >= fraction * energy[-1] * (1 - 1e-12)
    return int(np.argmax(reached)) + 1


@dataclass(frozen=True)
class LabelEdge:
    """Most images of one class are led to another one.

    Attributes:
        source: the class of the images without the perturbation.
        target: the class that most of them get.
        led: how many of them.
        images: of the class.
    """

    source: int
    target: int
    led: int
    images: int


@dataclass(frozen=True)
class LabelGraph:
    """Which class goes where: the graph of dominant labels.

    Attributes:
        edges: by source class; a class has one edge at most.
        components: of the graph without directions, the largest first; each a rising sequence of classes. Classes
            without an edge are in none.
        in_degrees: by class, how many classes go there, the most first; only classes where some go.
    """

    edges: tuple[LabelEdge, ...]
    components: tuple[tuple[int, ...], ...]
    in_degrees: tuple[tuple[int, int], ...]


def label_graph(clean: Integers, moved: Integers, least: int = 1) -> LabelGraph:
    """Draw an edge i -> j where more than half of the images of class i go to one other class j.

    Moosavi-Dezfooli et al., CVPR 2017, the section on fooling graphs: a few dominant labels take most classes.

    Args:
        clean: class predicted without the perturbation, (n,).
        moved: class predicted with it, (n,).
        least: images that a class must have to get an edge.

    Raises:
        InputError: different numbers of images, or `least` below 1.

    Example:
        >>> graph = label_graph(np.array([0, 0, 0, 1, 2]), np.array([2, 2, 0, 2, 2]))
        >>> [(edge.source, edge.target, edge.led) for edge in graph.edges], graph.components, graph.in_degrees
        ([(0, 2, 2), (1, 2, 1)], ((0, 1, 2),), ((2, 2),))
    """
    _check_as_many(clean, moved)
    if least < 1:
        raise InputError(f"least is {least}; expected at least 1 image for a class")
    edges: list[LabelEdge] = []
    for source in np.unique(clean).tolist():
        where = np.asarray(moved)[np.asarray(clean) == source].tolist()
        target, led = Counter(where).most_common(1)[0]
        if len(where) >= least and target != source and 2 * led > len(where):
            edges.append(LabelEdge(source, target, led, len(where)))
    degrees = Counter(edge.target for edge in edges)
    ranked = sorted(degrees.items(), key=lambda one: (-one[1], one[0]))
    return LabelGraph(tuple(edges), _components(edges), tuple(ranked))


def _components(edges: Sequence[LabelEdge]) -> tuple[tuple[int, ...], ...]:
    """Return the classes that hang together, the largest component first."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for edge in edges:
        parent[root(edge.source)] = root(edge.target)
    groups: dict[int, list[int]] = {}
    for node in sorted(parent):
        groups.setdefault(root(node), []).append(node)
    return tuple(tuple(group) for group in sorted(groups.values(), key=lambda group: (-len(group), group)))
