"""A service behind a URL as a network, which gives labels or scores and no gradients."""

from pathlib import Path

from brittle.classifiers.callable_module import CallableModule
from brittle.errors import ModelError
from brittle.identity.content import digest_of_bytes
from brittle.models.network import Network

BEGINNINGS = ("http://", "https://")
"""Of the URL of a service."""
FIRST_ATTEMPTS = 2
"""To learn what a service is: one that is not there is told soon."""


def load_endpoint(url: str, weights: Path | None = None) -> Network:
    """Asks a service what it answers, and takes it for a network; it is shown no image yet.

    Args:
        url: of a service that speaks the protocol of `docs/substitute.md`.
        weights: refused.

    Returns:
        A network that returns scores where the service tells them, and else class numbers (`labels`).

    Raises:
        ModelError: weights are given, which a service has itself.
        InputError: no URL of a service.
        OracleError: nobody answers there.
    """
    if weights is not None:
        raise ModelError(f"{url} is a service, which has its own weights; leave --weights out")
    from brittle.endpoint.client import Endpoint  # whoever asks nobody need not wait for urllib3
    from brittle.endpoint.manner import Manner

    about = Endpoint(url, manner=Manner(attempts=FIRST_ATTEMPTS)).describe()
    endpoint = Endpoint(url, scores=about.scores)
    said = f"{endpoint.url} {about.model_dump_json()}"
    return Network(
        spec=url,
        module=CallableModule(endpoint).eval(),
        digest=digest_of_bytes(said.encode()),
        input_shape=None if about.shape is None else (about.shape[0], about.shape[1], about.shape[2]),
        classes=tuple(about.names),
        labels=None if about.scores else about.classes,
        normalises=True,
    )
