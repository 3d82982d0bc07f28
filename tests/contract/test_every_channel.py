"""Every registered channel keeps the contract; one that looks at neighbours or writes into its input does not."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier
from brittle.base.seeds import Streams
from brittle.evaluation.channel_spec import parse_channel
from brittle.physical import Channel
from brittle.physical.corruptions import KINDS
from brittle.registry import CHANNELS

SHAPES = ((1, 12, 12), (3, 13, 11), (3, 33, 20))
"""Grey, colour, and odd sizes of unequal sides."""
SPREADS = {
    "blur": "blur:sigma=1,spread=1",
    "brightness": "brightness:amount=0,spread=0.5",
    "contrast": "contrast:factor=1,spread=1",
    "jpeg": "jpeg:quality=50,spread=40",
    "noise": "noise:sigma=0.1,spread=0.1",
    "resample": "resample:factor=0.7,spread=0.3",
    "rotation": "rotation:degrees=0,spread=180",
    "scaling": "scaling:factor=0.6,spread=0.4",
    "vignetting": "vignetting:amount=0.5,spread=0.5",
}
IDENTITIES = (
    "blur:sigma=0",
    "brightness:amount=0",
    "colour-shift:gain=0,offset=0",
    "contrast:factor=1",
    "noise:sigma=0",
    "photograph:strength=0",
    "rotation:degrees=0",
    "scaling:factor=1",
    "vignetting:amount=0",
    "warp:amount=0",
)
CORRUPTIONS = tuple(
    f"corruption:kind={kind},{level}" for kind in KINDS for level in ("severity=1", "severity=5,published=imagenet")
)
SPECS = (*CHANNELS, *SPREADS.values(), "photograph:strength=3", "blur+jpeg+noise", *CORRUPTIONS)
STEP = 1e-6


def images_of(shape: tuple[int, int, int], count: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    coarse = torch.rand((count, shape[0], 5, 5), generator=generator, dtype=dtype)
    return nn.functional.interpolate(coarse, shape[1:], mode="bilinear").clamp(0.02, 0.98)


class Network(nn.Module):
    """A small network that takes images of any size."""

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return torch.stack([flat.mean(1), flat.square().mean(1), (flat - 0.5).abs().mean(1)], 1) * 100


def says_what_it_is(channel: Channel, shape: tuple[int, int, int]) -> None:
    assert channel.title


def keeps_shape_type_and_range(channel: Channel, shape: tuple[int, int, int]) -> None:
    ends = torch.stack([torch.zeros(shape), torch.ones(shape), images_of(shape)[0].round()])
    for images in (images_of(shape), ends):
        for dtype in (torch.float32, torch.float64):
            found = channel(images.to(dtype))
            assert (found.shape, found.dtype) == (images.shape, dtype)
            assert float(found.min()) >= 0
            assert float(found.max()) <= 1


def takes_any_number_of_images(channel: Channel, shape: tuple[int, int, int]) -> None:
    for count in (0, 1):
        assert channel(images_of(shape)[:count]).shape == (count, *shape)


def depends_on_its_seed_alone(channel: Channel, shape: tuple[int, int, int]) -> None:
    images = images_of(shape)
    first = channel(images, seed=3)
    torch.rand(3)
    assert torch.equal(first, channel(images, seed=3))
    differs = [not torch.equal(first, channel(images, seed=seed)) for seed in (4, 5)]
    assert any(differs) if channel.random else not any(differs)


def knows_images_by_their_ids(channel: Channel, shape: tuple[int, int, int]) -> None:
    images, ids = images_of(shape), torch.tensor([7, 0, 2**40, 3, 8])
    together = channel(images, seed=1, ids=ids)
    order = torch.tensor([2, 4, 0, 3, 1])
    assert torch.equal(channel(images[order], seed=1, ids=ids[order]), together[order])
    for place in range(len(images)):
        alone = channel(images[place : place + 1], seed=1, ids=ids[place : place + 1])
        assert torch.equal(alone[0], together[place])
    assert torch.equal(channel(images[3:], seed=1, ids=ids[3:]), together[3:])


def treats_equal_ids_alike(channel: Channel, shape: tuple[int, int, int]) -> None:
    images = images_of(shape)[:1].expand(3, *shape)
    found = channel(images, ids=torch.tensor([1, 1, 2]))
    assert torch.equal(found[0], found[1])
    if channel.random:
        assert not torch.equal(found[0], found[2])


def touches_nothing_else(channel: Channel, shape: tuple[int, int, int]) -> None:
    images = images_of(shape)
    given, state = images.clone(), torch.get_rng_state()
    found = channel(images)
    assert torch.equal(images, given)
    assert torch.equal(torch.get_rng_state(), state)
    found.fill_(0.5)
    assert torch.equal(images, given)


def has_the_gradient_that_it_says(channel: Channel, shape: tuple[int, int, int]) -> None:
    """Along random directions; where JPEG or the like is part of it, there is one of the images' shape."""
    images = images_of(shape, 2, torch.float64) * 0.4 + 0.25
    leaf = images.clone().requires_grad_()
    weights = images_of(shape, 3, torch.float64)[:2]
    out = channel.stage(leaf, streams_of(images))
    gradient = torch.autograd.grad((out * weights).sum(), leaf)[0]
    assert torch.isfinite(gradient).all()
    assert (gradient.flatten(1) != 0).any(1).all()
    if not channel.differentiable or "JPEG" in channel.title or "photograph" in channel.title:
        return
    direction = images_of(shape, 4, torch.float64)[:2] - 0.5
    up, down = (
        (channel.transform(images + sign * STEP * direction, streams_of(images)) * weights).sum() for sign in (1, -1)
    )
    torch.testing.assert_close((gradient * direction).sum(), (up - down) / (2 * STEP), rtol=1e-4, atol=1e-6)


def streams_of(images: Tensor) -> Streams:
    return Streams(0, torch.arange(len(images)), images.dtype)


def randomises_a_classifier(channel: Channel, shape: tuple[int, int, int]) -> None:
    classifier, images = Classifier(Network()), images_of(shape)
    behind = channel.before(classifier)

    def passes(seed: int) -> list[Tensor]:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return [behind.logits(images) for _ in range(3)]

    first = passes(0)
    assert all(torch.equal(one, other) for one, other in zip(first, passes(0), strict=True))
    assert all(torch.equal(first[0], other) for other in first[1:]) is not channel.random
    leaf = images.clone().requires_grad_()
    gradient = torch.autograd.grad(behind.logits(leaf)[:, 0].sum(), leaf)[0]
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).any(), "not of every image: dense snow leaves nothing of a bright one"


CLAUSES = (
    says_what_it_is,
    keeps_shape_type_and_range,
    takes_any_number_of_images,
    depends_on_its_seed_alone,
    knows_images_by_their_ids,
    treats_equal_ids_alike,
    touches_nothing_else,
    has_the_gradient_that_it_says,
    randomises_a_classifier,
)
Clause = Callable[[Channel, tuple[int, int, int]], None]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spec", SPECS)
def test_keeps_the_contract(spec: str, shape: tuple[int, int, int], clause: Clause):
    clause(parse_channel(spec), shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spec", IDENTITIES)
def test_a_strength_of_zero_changes_nothing(spec: str, shape: tuple[int, int, int]):
    images = images_of(shape)
    assert torch.equal(parse_channel(spec)(images), images)


def test_every_channel_that_can_be_spread_is_tested_spread():
    assert {name for name in CHANNELS if any(field.name == "spread" for field in fields(CHANNELS[name]))} == {*SPREADS}


@dataclass(frozen=True)
class Cheat(Channel):
    title: ClassVar[str] = "Cheat"


class LooksAtNeighbours(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images - images.mean(0, keepdim=True) / 2 if len(images) > 1 else images.clone()


class GoesByPlaces(Cheat):
    random: ClassVar[bool] = True

    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images * torch.linspace(0, 1, len(images)).reshape(-1, 1, 1, 1)


class WritesIntoItsInput(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images.mul_(0.5)


class DrawsFromTorch(Cheat):
    random: ClassVar[bool] = True

    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images * torch.rand(())


class DrawsUnsaid(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images * streams.uniform(torch.arange(len(images)), (1, 1, 1))


class LeavesTheRange(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images * 2


class HasNoGradient(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images.detach().round() + 0 * images


class ChangesTheType(Cheat):
    def transform(self, images: Tensor, streams: Streams) -> Tensor:
        return images.float().clone()


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (LooksAtNeighbours, knows_images_by_their_ids),
        (GoesByPlaces, knows_images_by_their_ids),
        (WritesIntoItsInput, touches_nothing_else),
        (DrawsFromTorch, touches_nothing_else),
        (DrawsFromTorch, depends_on_its_seed_alone),
        (DrawsUnsaid, depends_on_its_seed_alone),
        (LeavesTheRange, keeps_shape_type_and_range),
        (HasNoGradient, has_the_gradient_that_it_says),
        (ChangesTheType, keeps_shape_type_and_range),
    ],
)
def test_a_cheat_fails_the_contract(kind: type[Channel], clause: Clause):
    with pytest.raises(AssertionError):
        clause(kind(), SHAPES[1])
