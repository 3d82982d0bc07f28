"""A network of a table that comes with the package."""

from functools import cached_property

from brittle.models import Network, open_network
from brittle.studies.shared.subject import Benchmark


class ShippedBenchmark(Benchmark):
    """A network whose architecture is one with weights of its own."""

    @cached_property
    def network(self) -> Network:
        """The network, opened by the name of its architecture."""
        return open_network(self.origin.architecture, device=self.setting.device)

    def identity_fields(self) -> dict[str, object]:
        """What determines the network."""
        return {"network": self.network.digest}

    def story(self) -> str:
        """Where the network came from, in a sentence."""
        return f"{self.origin.architecture}, which comes with the package ({self.network.parameters:,} weights)."
