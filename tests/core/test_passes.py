"""Passes are counted image by image, whenever somebody looks."""

import torch

from brittle.core.passes import Passes


def test_images_are_charged_whether_or_not_others_took_their_place_in_between():
    passes, both, one = Passes(3), torch.tensor([0, 2]), torch.tensor([2])
    passes.add(both, forward=1)
    passes.add(both, forward=2, backward=1)
    passes.add(one, forward=1, iterations=4)
    passes.add(both, backward=1)
    assert passes.of("forward").tolist() == [3, 0, 4]
    assert passes.of("backward").tolist() == [2, 0, 2]
    assert passes.of("iterations").tolist() == [0, 0, 4]


def test_what_was_seen_is_not_added_again():
    passes, ids = Passes(2), torch.tensor([1, 1])
    for expected in (2, 4):
        passes.add(ids, forward=1)
        assert passes.of("forward").tolist() == passes.of("forward").tolist() == [0, expected]


def test_whoever_adds_to_the_figures_themselves_is_counted_too():
    """As attacks with loops of their own do: `record.iterations[ids] += 1`."""
    passes, ids = Passes(2), torch.tensor([0])
    passes.add(ids, iterations=1)
    passes.of("iterations")[ids] += 1
    passes.add(ids, iterations=1)
    assert passes.of("iterations").tolist() == [3, 0]
