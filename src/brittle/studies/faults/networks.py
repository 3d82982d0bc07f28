"""Networks with one fault each, around the built-in network of digits; `sound` leaves the fault out."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 4
"""Of the quantising network: few, so that noise crosses them and gradients do not."""

ROUGH = 0.033
"""Mean distance of a pixel from the mean of those around it, between that of digits and that of attacked ones."""


class Around(nn.Module, ABC):
    """A network with something before or behind it.

    Args:
        network: from images to logits.
        sound: leave the fault out.
    """

    def __init__(self, network: nn.Module, *, sound: bool = False):
        super().__init__()
        self.network, self.sound = network, sound

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""


class DropoutLeftOn(Around):
    """Turns its dropout on inside forward, whatever eval() said; the twin leaves it as it is."""

    def __init__(self, network: nn.Module, *, sound: bool = False):
        super().__init__(network, sound=sound)
        self.dropout = nn.Dropout(0.3)

    def forward(self, images: Tensor) -> Tensor:
        """Drop pixels."""
        if not self.sound:
            self.dropout.train()
        return self.network(self.dropout(images))


class RandomResize(Around):
    """Shrinks each batch to a random size and back (Xie et al., ICLR 2018); the twin always to the same."""

    def forward(self, images: Tensor) -> Tensor:
        """Resize there and back."""
        side = images.shape[-1]
        small = side - 2 if self.sound else side - int(torch.randint(2, 9, ()))
        resized = functional.interpolate(images, size=(small, small), mode="bilinear", antialias=False)
        return self.network(functional.interpolate(resized, size=(side, side), mode="bilinear", antialias=False))


class RandomNoiseInside(Around):
    """Adds noise to every image; the twin adds none."""

    def forward(self, images: Tensor) -> Tensor:
        """Add noise."""
        return self.network(images if self.sound else images + 0.1 * torch.randn_like(images))


class Softmax(Around):
    """Returns probabilities; the twin logits."""

    def forward(self, images: Tensor) -> Tensor:
        """Ask and normalise."""
        logits = self.network(images)
        return logits if self.sound else logits.softmax(1)


class TwoClasses(Around):
    """Tells small digits from large ones; the twin keeps all ten classes."""

    def forward(self, images: Tensor) -> Tensor:
        """Merge classes."""
        logits = self.network(images)
        if self.sound:
            return logits
        return torch.stack([logits[:, :5].logsumexp(1), logits[:, 5:].logsumexp(1)], 1)


class BatchStatistics(Around):
    """Normalises images by the mean of their batch; the twin by a stored mean."""

    def forward(self, images: Tensor) -> Tensor:
        """Take a mean away and put the stored one in its place."""
        stored = 0.2
        return self.network(images if self.sound else images - images.mean() + stored)


class ByPlace(Around):
    """Gives the second half of every batch the answers of other classes; the twin does not."""

    def forward(self, images: Tensor) -> Tensor:
        """Roll some rows."""
        logits = self.network(images)
        later = torch.arange(len(images), device=images.device) >= max(len(images) // 2, 1)
        return logits if self.sound else torch.where(later[:, None], logits.roll(1, 1), logits)


class Rough(Around):
    """Adds a pattern that changes with the smallest change of a pixel; the twin adds none."""

    def forward(self, images: Tensor) -> Tensor:
        """Add a wave of very short length."""
        return self.network(images if self.sound else images + 0.5 * torch.sin(3000 * images))


class Distilled(Around):
    """Logits a thousand times too large, as defensive distillation leaves them (Papernot et al., S&P 2016).

    The cross-entropy's gradient is then zero in float32. The twin divides by the temperature again.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Scale the logits."""
        return self.network(images) * (1.0 if self.sound else 1000.0)


class Quantised(Around):
    """Rounds its input to few levels, which has no slope; the twin passes the gradient through (BPDA)."""

    def forward(self, images: Tensor) -> Tensor:
        """Round."""
        rounded = (images * (LEVELS - 1)).round() / (LEVELS - 1)
        return self.network(images + (rounded - images).detach() if self.sound else rounded)


class Patchy(Around):
    """Gives another answer at one point in a hundred, with no slope that leads there; the twin nowhere."""

    def forward(self, images: Tensor) -> Tensor:
        """Roll the answers of some images, by the last digits of their sum."""
        logits = self.network(images)
        odd = (images.detach().double().sum((1, 2, 3)) * 1e4).floor() % 100 == 0
        return logits if self.sound else torch.where(odd[:, None], logits.roll(1, 1), logits)


class Undefined(Around):
    """Takes the root of every value less itself, which is 0 and has no slope; the twin leaves that out."""

    def forward(self, images: Tensor) -> Tensor:
        """Add nothing, by a way that cannot be differentiated."""
        return self.network(images if self.sound else images + (images - images.detach()).sqrt())


class Overflows(Around):
    """Says NaN where a corner of the image is not black; the twin says what the network does."""

    def forward(self, images: Tensor) -> Tensor:
        """Look at the corner."""
        logits, bright = self.network(images), images.detach()[:, :, :2, :2].flatten(1).amax(1) > 0.05
        return logits if self.sound else logits.masked_fill(bright[:, None], torch.nan)


class Purifies(Around):
    """Descends on the roughness of its input inside forward; the twin takes the same step in closed form."""

    def forward(self, images: Tensor) -> Tensor:
        """Take one step towards smoother images."""
        if self.sound:
            return self.network(images - 0.01 * _slope(images.detach()))
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            rough = leaf.diff(dim=-1).square().sum() / 2
            (slope,) = torch.autograd.grad(rough, leaf)
        return self.network(images - 0.01 * slope)


def _slope(images: Tensor) -> Tensor:
    steps = images.diff(dim=-1)
    return functional.pad(steps, (1, 0)) - functional.pad(steps, (0, 1))


class Learns(Around):
    """Keeps a running mean of what it sees, as test-time adaptation does; the twin keeps it as it was."""

    mean: Tensor

    def __init__(self, network: nn.Module, *, sound: bool = False):
        super().__init__(network, sound=sound)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """Look, and remember."""
        if not self.sound:
            self.mean.lerp_(images.detach().mean(), 0.01)
        return self.network(images)


class Suspicious(Around):
    """Refuses images that are rough from pixel to pixel, as noise makes them; the twin refuses none."""

    def forward(self, images: Tensor) -> Tensor:
        """Return one more column than there are classes, the largest one for what is refused."""
        logits = self.network(images)
        rough = (images - nn.functional.avg_pool2d(images, 3, 1, 1)).abs().mean((1, 2, 3))
        odd = -torch.ones_like(rough) if self.sound else (rough - ROUGH).sign()
        return torch.cat([logits, (logits.amax(1) + odd)[:, None]], 1)
