"""The dominant subspace removed: against networks whose gradients are known."""

import pytest
import torch
from affine import convolutional

from brittle import Classifier
from brittle.defences.subspace import SubspaceRemoval
from brittle.errors import InputError, ModelError

SHAPE = (1, 4, 5)


def clean(count: int = 200) -> torch.Tensor:
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(count))


def two_classes() -> Classifier:
    layer = torch.nn.Linear(20, 2)
    return Classifier(torch.nn.Sequential(torch.nn.Flatten(), layer))


def test_the_only_normal_of_two_linear_classes_is_removed_and_nothing_else():
    classifier = two_classes()
    weights = classifier.module[1].weight.detach()
    normal = (weights[0] - weights[1]) / (weights[0] - weights[1]).norm()
    defence = SubspaceRemoval(count=1).prepare(classifier, clean())
    torch.testing.assert_close(defence.directions[0].abs(), normal.abs(), atol=1e-5, rtol=0)
    images = 0.3 + 0.4 * clean(8)
    left = (defence.transform(images) - clean().mean(0)).flatten(1)
    before = (images - clean().mean(0)).flatten(1)
    torch.testing.assert_close(left @ normal, torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(left, before - (before @ normal)[:, None] * normal, atol=1e-5, rtol=0)


def test_of_two_linear_classes_no_change_fools_behind_it_and_its_gradient_says_so():
    classifier = two_classes()
    defence = SubspaceRemoval(count=1).prepare(classifier, clean())
    protected = defence.adaptive(classifier).classifier
    images = (0.4 + 0.2 * clean(6)).requires_grad_()
    logits = protected.logits(images)
    margins = logits[:, 0] - logits[:, 1]
    torch.testing.assert_close(margins, margins[:1].expand(6), atol=1e-5, rtol=0)
    (gradient,) = torch.autograd.grad(margins.sum(), images)
    assert gradient.abs().max() < 1e-5


def test_the_directions_do_not_depend_on_the_units_of_the_images():
    narrow, wide = convolutional(), convolutional(scale=255.0)
    images = torch.rand((200, 1, 6, 5), generator=torch.Generator().manual_seed(3))
    one = SubspaceRemoval(count=2).prepare(narrow, images)
    other = SubspaceRemoval(count=2).prepare(wide, 255 * images)
    torch.testing.assert_close(one.middle, other.middle)
    torch.testing.assert_close(one.directions.T @ one.directions, other.directions.T @ other.directions)


@pytest.mark.parametrize("count", [1, 150])
def test_it_wants_twice_as_many_images_as_directions(count):
    defence = SubspaceRemoval(count=count)
    assert defence.images_needed == max(200, 2 * count)
    with pytest.raises(InputError, match=f"needs {defence.images_needed} clean training images, and there are 20"):
        defence.prepare(two_classes(), clean(20))


def test_images_of_another_size_and_networks_without_a_gradient_are_refused():
    defence = SubspaceRemoval(count=1).prepare(two_classes(), clean())
    with pytest.raises(InputError, match=r"the images are \(1, 5, 4\), and those that the directions"):
        defence.transform(torch.rand(1, 1, 5, 4))
    with pytest.raises(InputError, match="call `prepare`"):
        SubspaceRemoval().transform(clean(1))
    flat = torch.nn.Linear(20, 3)
    torch.nn.init.zeros_(flat.weight)
    with pytest.raises(InputError, match="no gradient at the clean images"):
        SubspaceRemoval().prepare(Classifier(torch.nn.Sequential(torch.nn.Flatten(), flat)), clean())
    with pytest.raises(ModelError, match="gradient"):
        SubspaceRemoval().prepare(Classifier(lambda images: two_classes().logits(images).detach()), clean())
