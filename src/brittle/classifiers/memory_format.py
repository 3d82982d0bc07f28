"""The order of an image's values in memory: the channels of a pixel side by side, where a network gains by it."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from brittle.base.random_state import RandomState, seed_all
from brittle.classifiers.around import Around
from brittle.classifiers.frozen import buffers_kept
from brittle.types import Images

Shape = tuple[int, ...]
_TAKES: WeakKeyDictionary[nn.Module, dict[Shape, bool]] = WeakKeyDictionary()


def to_channels_last(module: nn.Module, images: Images, *, asked: bool = False) -> Images:
    """Return the same images, in the order in memory in which the network is fastest.

    On a CPU convolutions and pooling are up to twice as fast on images whose channels lie side by side ("channels
    last"); later layers go on in that order. A network is given it after a trial on two images of noise has shown that
    it then says the same: modules that ask for the usual order (`view` of a feature map does) keep it, and so do those
    that draw random numbers, those in train mode, those without convolutions, other types than float32. On other
    devices it is done where it is asked for.

    Args:
        module: from images to outputs.
        images: (n, c, h, w).
        asked: also elsewhere than on a CPU.

    Returns:
        Images equal to those given; gradients flow through.
    """
    if images.dtype != torch.float32 or images.ndim != 4 or module.training or _arranges(module):
        return images
    on_cpu = images.device.type == "cpu"
    if not (torch.backends.mkldnn.is_available() if on_cpu else asked):
        return images
    known = _TAKES.get(module)
    if known is None:
        known = _TAKES.setdefault(module, {})
    shape = tuple(images.shape[1:])
    if shape not in known:
        known[shape] = any(parameter.ndim == 4 for parameter in module.parameters()) and _same(module, images)
    return _channels_last(images) if known[shape] else images


def logits_in(output: Any) -> Any:
    """Return what a network gave; of an object with `.logits` these."""
    return getattr(output, "logits", output)


def _channels_last(images: Images) -> Images:
    """Copy images; with one channel `Tensor.contiguous` would do nothing, and convolutions not know the new order."""
    return images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)


def _arranges(module: nn.Module) -> bool:
    return isinstance(module, Around) and module.arranges


def _same(module: nn.Module, images: Images) -> bool:
    """Say whether a network's outputs are the same in both orders."""
    noise = torch.rand(2, *images.shape[1:], generator=torch.Generator().manual_seed(0)).to(images.device)
    state = RandomState.now([images.device.index or 0] if images.is_cuda else [])
    try:
        with torch.no_grad(), buffers_kept(module):
            usual, other = (_seeded(module, images) for images in (noise, _channels_last(noise)))
    except Exception:  # whatever a network does not like about noise or its order, it is asked as usual
        return False
    finally:
        state.restore()
    scale = usual.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
    noise_level = 1e-4 if images.is_cpu else 1e-2  # GPUs multiply in TF32
    return usual.shape == other.shape and bool(((usual - other).abs() <= noise_level * scale).all())


def _seeded(module: nn.Module, images: Images) -> Tensor:
    seed_all(0)
    return logits_in(module(images)).float().clone()  # of a network that hands out the same memory each time
