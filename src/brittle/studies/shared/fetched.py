"""A network of a table that torchvision fetches: too large for a processor, measured at the scale of the paper."""

from functools import cached_property

from brittle.models import Network, open_network
from brittle.studies.shared.subject import Benchmark, NotAtThisScale


class FetchedBenchmark(Benchmark):
    """A network whose only file is `torchvision:NAME`."""

    @cached_property
    def network(self) -> Network:
        """The network with torchvision's weights.

        Raises:
            NotAtThisScale: at any scale but the paper's.
            MissingExtra: torchvision is not installed.
        """
        (spec,) = self.origin.files
        if self.setting.scale != "paper":
            raise NotAtThisScale(f"{self.origin.row} is measured at the scale of the paper, as {spec}")
        return open_network(spec, device=self.setting.device)

    def story(self) -> str:
        """Where the network came from, in a sentence."""
        return f"Network {self.origin.files[0]} ({self.network.parameters:,} weights)."
