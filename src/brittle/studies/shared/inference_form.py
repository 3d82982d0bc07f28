"""Networks that are given as exported graphs, trained further in the only form that they have, that of inference."""

from torch import Tensor, nn

EXPORTED = (
    "A network that is given as an exported graph has no train mode. It is fine-tuned in the form in which it answers: "
    "all its weights move, its batch normalisation, where it has any, keeps the means and variances that it came with, "
    "and there is no dropout."
)
"""The note of every study that fine-tunes such networks."""


class InferenceForm(nn.Module):
    """An exported graph that can be trained: it stays as it is when it is told to train or to be asked.

    Its weights are those of the graph. Where the graph normalises batches, it does so by the means and variances that
    it was exported with, in training too, as Caffe's networks without such layers and those with them folded do.

    Args:
        graph: what `torch.export.load(...).module()` returned, or any other module that refuses `train()`.
    """

    def __init__(self, graph: nn.Module):
        super().__init__()
        self.graph = graph

    def train(self, mode: bool = True) -> "InferenceForm":
        """Note the mode, and tell the graph nothing of it."""
        self.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the graph's answer."""
        return self.graph(images)


def trainable(module: nn.Module) -> nn.Module:
    """Return a module as it is, in eval mode, or an exported graph in its inference form.

    Example:
        >>> trainable(nn.Linear(2, 2)).training
        False
    """
    try:
        module.train()
    except NotImplementedError:
        return InferenceForm(module).eval()
    return module.eval()
