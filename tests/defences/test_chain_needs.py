"""A chain asks for the clean images that its links need."""

import torch
from torch import nn

from brittle import Classifier
from brittle.defences.chain import Chain
from brittle.defences.jpeg import JPEG
from brittle.defences.quilting import Quilting


def test_a_chain_needs_what_its_hungriest_link_needs():
    assert Chain((JPEG(), JPEG())).images_needed == 0
    chain = Chain((JPEG(), Quilting(bank=50)))
    assert chain.images_needed == Quilting.images_needed
    clean = torch.rand(chain.images_needed, 1, 8, 8)
    ready = chain.prepare(Classifier(nn.Flatten()), clean)
    assert ready.images_needed == chain.images_needed
    assert ready.protect(Classifier(nn.Flatten())).logits(clean[:2]).shape == (2, 64)
