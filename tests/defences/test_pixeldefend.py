"""PixelDefend around a network; the pass itself is tested with the PixelCNN."""

import pytest
import torch
from torch import nn

from brittle import Classifier
from brittle.data import open_source
from brittle.defences.pixeldefend import PixelDefend
from brittle.errors import InputError, ModelError
from brittle.models.generative.files import pixelcnn_of


def test_noisy_digits_become_likelier_and_lose_noise():
    images = next(iter(open_source("digits", max_images=2).blocks(2))).images[:, :, 4:20]
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).sub(0.5).sign() * 16 / 255
    noisy = (images + noise).clamp(0, 1)
    defence = PixelDefend(weights="pixelcnn-digits")
    found = defence.transform(noisy)
    bits = pixelcnn_of("pixelcnn-digits").bits_per_value
    assert (found - noisy).abs().max() <= 16.01 / 255
    assert (bits(found) < bits(noisy) - 1).all()
    assert ((found - images).square().mean() < (noisy - images).square().mean()).item()


def test_other_bounds_see_the_same_image():
    images = torch.rand((1, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    plain, wide = (Classifier(nn.Flatten(), bounds=bounds) for bounds in ((0, 1), (-1, 1)))
    defence = PixelDefend()
    torch.testing.assert_close(defence.shown(wide, images * 2 - 1), defence.shown(plain, images) * 2 - 1)


def test_the_weights_follow_the_channels_by_themselves():
    assert PixelDefend().image_shape((3, 32, 32)) == (3, 32, 32)
    assert PixelDefend().image_shape((1, 28, 28)) == (1, 28, 28)
    assert PixelDefend().image_shape(None) is None


def test_channels_that_the_weights_are_not_for_are_refused():
    with pytest.raises(InputError, match="is for images with 1 channels, and these have 3"):
        PixelDefend(weights="pixelcnn-mnist").image_shape((3, 32, 32))
    with pytest.raises(InputError, match="is for images with 3 channels, and these have 1"):
        PixelDefend(weights="pixelcnn-cifar").transform(torch.rand(1, 1, 4, 4))
    with pytest.raises(InputError, match="is for images with 3 channels, and these have 4"):
        PixelDefend().transform(torch.rand(1, 4, 4, 4))


def test_weights_and_radius_that_are_none_are_refused():
    with pytest.raises(ModelError, match="expected pixelcnn-cifar, pixelcnn-digits, pixelcnn-mnist, or"):
        PixelDefend(weights="nowhere")
    with pytest.raises(InputError, match="radius"):
        PixelDefend(radius=2.0)
