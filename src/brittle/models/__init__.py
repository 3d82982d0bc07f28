"""Networks: where they come from, and those that brittle builds itself."""

from brittle.models.architectures import ARCHITECTURES, Architecture
from brittle.models.network import Network, digest_of
from brittle.models.normalise import Normalise
from brittle.models.open import NETWORKS, open_network

__all__ = ["ARCHITECTURES", "NETWORKS", "Architecture", "Network", "Normalise", "digest_of", "open_network"]
