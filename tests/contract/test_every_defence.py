"""Every registered defence keeps the contract; one that looks at neighbours or alters the network does not."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from brittle import Classifier
from brittle.defences import Defence, Masking
from brittle.defences.defence import MARGIN
from brittle.defences.defense_gan import DefenseGAN
from brittle.defences.transformation import InputTransformation
from brittle.models.generative import WGAN
from brittle.registry import DEFENCES

SIZES = ((1, 12, 12), (3, 12, 12), (3, 13, 11))
"""Grey, colour, and odd sizes of unequal sides."""
FOLDER = TemporaryDirectory(prefix="brittle-contract-")
"""Of weights that fit them."""


class Network(nn.Module):
    """A small smooth network that takes images of any size."""

    def __init__(self, channels: int):
        super().__init__()
        self.layer = nn.Conv2d(channels, 8, 3, padding=1)
        self.last = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.tanh(self.layer(images - 0.5)).mean((2, 3)))


def classifier_of(defence: Defence, channels: int) -> Classifier:
    """A network that fits the defence: one that reads an encoding has its number of channels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Network(getattr(defence, "channels", lambda count: count)(channels))
    with torch.no_grad():
        for weights in module.parameters():
            weights *= 4
        typical = images_of((module.layer.in_channels, 12, 12), 8)
        module.last.bias -= module(typical).mean(0)  # so that no class is out of reach, as some defences learn from
    return Classifier(module.eval())


def images_of(shape: tuple[int, int, int], count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    coarse = torch.rand((count, shape[0], 4, 4), generator=generator)
    return nn.functional.interpolate(coarse, shape[1:], mode="bilinear").clamp(0.02, 0.98)


@cache
def generator_of(shape: tuple[int, int, int]) -> str:
    """The file of a small generator of images of a shape."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = WGAN(*shape, latent=4, features=4)
    design = json.dumps({"architecture": "wgan", "design": made.design})
    path = Path(FOLDER.name) / f"{'x'.join(map(str, shape))}.safetensors"
    save_file(made.state_dict(), path, {"brittle": design})
    return str(path)


def made_for(kind: type[Defence], shape: tuple[int, int, int]) -> Defence:
    """The defence with its defaults; one that is for images of one shape alone is told of it."""
    return DefenseGAN(steps=4, restarts=3, weights=generator_of(shape)) if kind is DefenseGAN else kind()


@cache
def prepared(kind: type[Defence], shape: tuple[int, int, int]) -> tuple[Defence, Classifier]:
    defence = made_for(kind, shape)
    classifier = classifier_of(defence, shape[0])
    clean = images_of(shape, defence.images_needed) if defence.images_needed else None
    return defence.prepare(classifier, clean), classifier


def logits(classifier: Classifier, images: Tensor, seed: int = 0) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return classifier.logits(images)


def says_what_it_is(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    assert kind.title
    assert isinstance(kind.masking, Masking)


def shows_images_within_the_bounds(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    seen = defence.shown(classifier, images_of(shape))
    assert (len(seen), seen.ndim, seen.dtype) == (4, 4, torch.float32)
    assert float(seen.min()) >= 0
    assert float(seen.max()) <= 1


def takes_any_number_of_images(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    for protected in (defence.protect(classifier), defence.adaptive(classifier).classifier):
        for count in (0, 1):
            found = logits(protected, images_of(shape)[:count])
            assert found.shape[0] == count
            assert torch.isfinite(found).all()


def depends_on_seed_alone(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    protected = defence.protect(classifier)
    first = logits(protected, images_of(shape))
    assert torch.equal(first, logits(protected, images_of(shape)))
    if kind.masking is not Masking.STOCHASTIC and not adaptive_draws(defence, classifier):
        assert torch.equal(first, logits(protected, images_of(shape), seed=1))


def adaptive_draws(defence: Defence, classifier: Classifier) -> bool:
    return defence.adaptive(classifier).eot_samples > 1


def is_alone_in_any_company(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    protected, images = defence.protect(classifier), images_of(shape)
    together = logits(protected, images)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(logits(protected, images[order]), together[order], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(protected, images[1:2]), together[1:2], atol=1e-5, rtol=1e-4)


def leaves_the_network_as_it_is(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    images, before = images_of(shape), {name: one.clone() for name, one in classifier.module.state_dict().items()}
    given = images.clone()
    for protected in (defence.protect(classifier), defence.adaptive(classifier).classifier):
        logits(protected, images)
    assert torch.equal(images, given)
    assert all(torch.equal(before[name], one) for name, one in classifier.module.state_dict().items())
    assert all(one.grad is None for one in classifier.module.parameters())
    assert not classifier.module.training
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in classifier.module.modules())


def computes_the_same_when_attacked_adaptively(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    adaptive = defence.adaptive(classifier).classifier
    found, expected = logits(adaptive, images_of(shape)), logits(defence.protect(classifier), images_of(shape))
    if kind.masking is Masking.VANISHING:  # the logits may be of another scale, which changes no verdict
        torch.testing.assert_close(found / found.norm(), expected / expected.norm())
    else:
        assert torch.equal(found, expected)


def slope(classifier: Classifier, images: Tensor) -> Tensor | None:
    images = images.clone().requires_grad_()
    outputs = logits(classifier, images)
    if not outputs.requires_grad:
        return None
    return torch.autograd.grad(outputs[:, 0].sum() - outputs[:, 1].sum(), images, allow_unused=True)[0]


def gives_a_gradient_when_attacked_adaptively(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    defence, classifier = prepared(kind, shape)
    found = slope(defence.adaptive(classifier).classifier, images_of(shape))
    assert found is not None
    assert torch.isfinite(found).all()
    assert (found.flatten(1) != 0).any(1).all()


def hides_its_gradient_where_it_says_so(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    if kind.masking is Masking.SHATTERED:
        defence, classifier = prepared(kind, shape)
        found = slope(defence.protect(classifier), images_of(shape))
        assert found is None or not found.any()


def wants_to_win_by_a_margin_where_it_draws(kind: type[Defence], shape: tuple[int, int, int]) -> None:
    """What wins by next to nothing loses with the next draws."""
    defence, classifier = prepared(kind, shape)
    adaptive = defence.adaptive(classifier)
    if adaptive.eot_samples > 1:
        assert adaptive.confidence >= MARGIN
    elif kind.masking is not Masking.DETECTOR:
        assert not adaptive.confidence


CLAUSES = (
    says_what_it_is,
    shows_images_within_the_bounds,
    takes_any_number_of_images,
    depends_on_seed_alone,
    is_alone_in_any_company,
    leaves_the_network_as_it_is,
    computes_the_same_when_attacked_adaptively,
    gives_a_gradient_when_attacked_adaptively,
    hides_its_gradient_where_it_says_so,
    wants_to_win_by_a_margin_where_it_draws,
)
Clause = Callable[[type[Defence], tuple[int, int, int]], None]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("name", [*DEFENCES])
def test_keeps_the_contract(name: str, shape: tuple[int, int, int], clause: Clause):
    clause(DEFENCES.find(name), shape)


@dataclass(frozen=True)
class Cheat(InputTransformation):
    title: ClassVar[str] = "Cheat"
    differentiable: ClassVar[bool] = True


class LooksAtNeighbours(Cheat):
    def transform(self, images: Tensor) -> Tensor:
        return images - images.mean(0, keepdim=True) / 2


class DrawsUnsaid(Cheat):
    def transform(self, images: Tensor) -> Tensor:
        return (images + 0.1 * torch.rand(())).clamp(0, 1)


class LeavesTheBox(Cheat):
    def transform(self, images: Tensor) -> Tensor:
        return images * 2


class HasNoGradient(Cheat):
    def transform(self, images: Tensor) -> Tensor:
        return images.round()


class AltersTheNetwork(Cheat):
    def transform(self, images: Tensor) -> Tensor:
        return images

    def protect(self, classifier: Classifier) -> Classifier:
        return classifier.around(classifier.module.train())


class ComputesSomethingElse(Cheat):
    differentiable: ClassVar[bool] = False

    def transform(self, images: Tensor) -> Tensor:
        return images.round()

    def protect(self, classifier: Classifier) -> Classifier:
        return classifier


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (LooksAtNeighbours, is_alone_in_any_company),
        (DrawsUnsaid, depends_on_seed_alone),
        (LeavesTheBox, shows_images_within_the_bounds),
        (HasNoGradient, gives_a_gradient_when_attacked_adaptively),
        (AltersTheNetwork, leaves_the_network_as_it_is),
        (ComputesSomethingElse, computes_the_same_when_attacked_adaptively),
    ],
)
def test_a_cheat_fails_the_contract(kind: type[Defence], clause: Clause):
    with pytest.raises(AssertionError):
        clause(kind, SIZES[1])
