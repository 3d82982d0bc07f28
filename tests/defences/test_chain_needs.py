"""A chain asks for the clean images that its links need."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.defences.bit_depth import BitDepth
from brittle.defences.chain import Chain
from brittle.defences.defence import Defence
from brittle.defences.jpeg import JPEG
from brittle.defences.quilting import Quilting
from brittle.defences.randomise import Randomise
from brittle.types import Images


def test_a_chain_needs_what_its_hungriest_link_needs():
    assert Chain((JPEG(), JPEG())).images_needed == 0
    chain = Chain((JPEG(), Quilting(bank=50)))
    assert chain.images_needed == Quilting.images_needed
    clean = torch.rand(chain.images_needed, 1, 8, 8)
    ready = chain.prepare(Classifier(nn.Flatten()), clean)
    assert ready.images_needed == chain.images_needed
    assert ready.protect(Classifier(nn.Flatten())).logits(clean[:2]).shape == (2, 64)


@dataclass(frozen=True)
class Pupil(Defence):
    """Keeps the clean images that it is given."""

    images_needed = 1
    given: list[Images] = field(default_factory=list, compare=False)

    def protect(self, classifier: Classifier) -> Classifier:
        return classifier

    def prepare(self, classifier: Classifier, images: Images | None) -> "Pupil":
        assert images is not None
        return Pupil([images])


@pytest.mark.parametrize("first", [BitDepth(1), Quilting(bank=50), Randomise(growth=1.5)])
def test_a_link_is_taught_on_images_as_those_before_it_leave_them(first: Defence):
    clean, classifier = torch.rand(64, 1, 8, 8), Classifier(nn.Flatten())
    state = torch.get_rng_state()
    one, other = (Chain((first, JPEG(), Pupil())).prepare(classifier, clean).links for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    seen = one[0].shown(classifier, clean)
    torch.testing.assert_close(one[2].given[0], JPEG().shown(classifier, seen))
    assert torch.equal(one[2].given[0], other[2].given[0])


def test_a_first_link_is_taught_on_the_images_themselves():
    clean = torch.rand(64, 1, 8, 8)
    assert Chain((Pupil(), BitDepth(1))).prepare(Classifier(nn.Flatten()), clean).links[0].given[0] is clean
