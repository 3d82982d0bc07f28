"""A perturbation that fools images of some classes and leaves all others as they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.types import Labels, Logits, PerImage
from brittle.universal_attacks.objective import Aim


@dataclass(frozen=True)
class OnlyClasses:
    """Which classes are fooled; the idea is Zhang, Benz, Imtiaz & Kweon's, "CD-UAP", AAAI 2020.

    Their two losses, one for each side, and their batches with as many images of either are kept. Deviations: images of
    the classes are moved by whichever loss the search has, and the others held by the same loss with the other sign, in
    place of their cross-entropy.

    Attributes:
        classes: whose images shall be fooled, by what the network takes the clean images for.
    """

    classes: tuple[int, ...]

    def chosen(self, clean: Labels) -> Tensor:
        """Say which images are of the classes, (n,)."""
        return torch.isin(clean, torch.tensor(self.classes, device=clean.device))

    def aim(self, away: Aim, every: Labels | None = None) -> Aim:
        """Return what grows as images of the classes move away, and falls as others do, both sides with equal weight.

        Args:
            away: grows as an image moves away, given (perturbed, clean) logits.
            every: what the network takes all images of a batch for; by default those whose logits are given are all.
        """

        def both(moved: Logits, clean: Logits) -> PerImage:
            chosen = self.chosen(clean.argmax(1))
            batch = chosen if every is None else self.chosen(every)
            count = batch.sum()
            sides = torch.where(chosen, 1.0 / count.clamp_min(1), -1.0 / (len(batch) - count).clamp_min(1))
            return away(moved, clean) * sides.to(moved) * len(batch)

        return both

    def parts(self, clean: Labels, batch: int, generator: torch.Generator) -> list[Tensor]:
        """Return the positions of the images for each step of a pass over the larger side, half of each side.

        Args:
            clean: what the network takes all images for, (n,); of either side there is at least one.
            batch: images in a step.
            generator: of the draws, on the CPU.

        Example:
            >>> parts = OnlyClasses((1,)).parts(torch.tensor([0, 1, 0, 0, 0]), 4, torch.Generator())
            >>> [len(part) for part in parts]
            [4, 4]
        """
        chosen = self.chosen(clean.cpu())
        sides = [chosen.nonzero()[:, 0], (~chosen).nonzero()[:, 0]]
        longest, half = max(map(len, sides)), max(1, batch // 2)
        drawn = [_repeated(side, longest, generator).split(half) for side in sides]
        return [torch.cat(pair) for pair in zip(*drawn, strict=True)]


def _repeated(side: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Shuffle positions again and again until there are enough of them."""
    rounds = -(-length // len(side))
    return torch.cat([side[torch.randperm(len(side), generator=generator)] for _ in range(rounds)])[:length]
