"""Images of a single row: every attack takes them and judges them as any others."""

import pytest
import torch
from affine import affine, middle
from cases import CASES, Case

from brittle import Flow, run

ONE_OF_EACH = {type(case.attack).__name__: case for case in reversed(CASES)}


@pytest.mark.parametrize("case", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_images_of_one_row_are_images(case: Case):
    classifier, images = affine(shape=(1, 1, 6)), middle(2, (1, 1, 6))
    labels = classifier.logits(images).argmax(1)
    result = run(case.attack, classifier, images, threat=case.threat)
    assert result.adversarial.shape == images.shape
    assert not isinstance(case.threat, Flow) or result.field.shape == (2, 2, 1, 6)
    fooled = classifier.logits(result.adversarial).argmax(1) != labels
    assert torch.equal(result.success, fooled & torch.isfinite(result.size))
