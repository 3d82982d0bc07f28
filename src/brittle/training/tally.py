"""What the images of an epoch gave so far."""

import torch
from torch import Tensor

from brittle.processes.team import Team


class Tally:
    """Sums of loss and right answers, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device):
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.right = torch.zeros((), device=device)
        self.count = 0

    def add(self, loss: Tensor, logits: Tensor, truth: Tensor) -> None:
        """Takes in a batch: its mean loss, logits and labels."""
        self.loss_sum += loss.detach().double() * len(truth)
        self.right += (logits.detach().argmax(1) == truth).sum()
        self.count += len(truth)

    def gather(self, team: Team) -> None:
        """Take in what the others of a team have taken in."""
        if team.size > 1:
            mine = [self.loss_sum, self.right.double(), self.loss_sum.new_tensor(self.count)]
            sums = team.total(torch.stack(mine))
            self.loss_sum, self.right, self.count = sums[0], sums[1], int(sums[2])

    @property
    def loss(self) -> float | None:
        """The mean; None of nothing."""
        return self.loss_sum.item() / self.count if self.count else None

    @property
    def accuracy(self) -> float | None:
        """The fraction right; None of nothing."""
        return self.right.item() / self.count if self.count else None
