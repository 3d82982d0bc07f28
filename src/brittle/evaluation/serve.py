"""`serve`: a network behind a URL, for tests and demonstrations of attacks that see no more than its answers."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import torch

from brittle.arguments import Count, Within, fitted
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.frozen import evaluating
from brittle.endpoint.protocol import Answer, Description
from brittle.endpoint.server import LOOPBACK, Service, serving
from brittle.evaluation.subject import opened
from brittle.models import Network
from brittle.specs import Asked, ModelLike, ModelSpec
from brittle.types import Images, Logits
from brittle.words import plural

EVERY = 10.0
"""Seconds between two lines of what was answered."""
Port = Annotated[int, Within(0, 65535)]
WITHOUT = ("defence", "defence_data", "naive", "channel")
"""What a service cannot have around its network yet."""


@contextmanager
def serve(
    model: ModelLike | ModelSpec,
    *,
    host: str = LOOPBACK,
    port: Port = 8000,
    labels_only: bool = False,
    budget: Count | None = None,
    device: str | None = None,
    **options: Any,
) -> Generator["Served"]:
    """Let a network answer over HTTP within a block.

    The protocol is in `docs/substitute.md`: `POST /` with an image gives its label and its scores, `GET /status` says
    what is answered and how often it was. Nobody but this machine reaches the loopback, where it listens by default;
    requests are bounded in size, time and number, and tell nothing of what fails but its kind.

    Args:
        model: what `open_network` understands, a network, a module, a callable or a classifier; or a `ModelSpec`.
        host: the address to listen at. At another one than the loopback anybody who reaches it may ask.
        port: to listen at; 0 for any that is free.
        labels_only: tell labels and no scores.
        budget: most distinct images that are answered; further ones are refused. None for no end.
        device: where to run, such as "cpu" or "cuda:0".
        **options: single fields of `ModelSpec`, as in `audit`.

    Yields:
        Its URL and its accounts.

    Raises:
        BrittleError: a network that cannot be opened, or an address that cannot be listened at.

    Example:
        >>> from brittle.models import open_network
        >>> with serve("digits-lenet", port=0, labels_only=True) as served:
        ...     asked = open_network(served.url)
        ...     asked.labels, asked.input_shape, served.counts["queries"]
        (10, (1, 28, 28), 0)
    """
    host, port = fitted("host", host, str), fitted("port", port, Port)
    asked = Asked.of(model, None, None, None, options, without=WITHOUT)
    network, classifier = opened(asked.model, device)
    with _evaluated(classifier):
        about = _description(network, classifier, labels_only=fitted("labels_only", labels_only, bool))
        most = fitted("budget", budget, Count | None)
        service = Service(lambda image: _answer(classifier, image, about), about, most)
        with serving(service, host, port) as server:
            yield Served(server.url, service)


class Served:
    """A network that answers.

    Attributes:
        url: where.
    """

    def __init__(self, url: str, service: Service):
        self.url, self._service = url, service

    @property
    def counts(self) -> dict[str, int]:
        """How many queries were answered, distinct images among them, and questions answered again from memory."""
        return self._service.counts

    def wait(self, tell: Callable[[str], None] | None = None) -> None:
        """Wait until the caller is interrupted; tell its accounts meanwhile, where they have changed.

        Args:
            tell: told in one line.
        """
        told = self.counts
        try:
            while True:
                time.sleep(EVERY)
                if tell is not None and (now := self.counts) != told:
                    told = now
                    tell(_accounts(now))
        finally:
            if tell is not None and (now := self.counts) != told:
                tell(_accounts(now))


def _accounts(counts: Mapping[str, int]) -> str:
    return f"{plural(counts['queries'], 'query', 'queries')}, {plural(counts['repeats'], 'repeat')} from memory"


@contextmanager
def _evaluated(classifier: Classifier) -> Generator[None]:
    """Let a network be in eval mode within the block.

    It is not held as `preserving_state` holds it: who asks may be an attack in another thread of this process, which
    would wait for the answer with the random states in its hands, and the answer for them.
    """
    modes = {part: part.training for part in classifier.module.modules() if hasattr(part, "training")}
    try:
        evaluating(classifier.module)
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def _description(network: Network, classifier: Classifier, *, labels_only: bool) -> Description:
    """Return what an endpoint says of itself; how many classes there are is seen on a blank image."""
    shape, classes = network.input_shape, classifier.labels
    if classes is None and shape is not None:
        classes = _logits(classifier, torch.zeros(shape)).shape[1]
    return Description(
        classes=classes,
        names=list(network.classes),
        shape=None if shape is None else list(shape),
        scores=not labels_only and classifier.labels is None,
        network=network.digest,
    )


def _answer(classifier: Classifier, image: Images, about: Description) -> Answer:
    """Return the answer for an image, c x h x w."""
    (logits,) = _logits(classifier, image)
    return Answer(label=int(logits.argmax()), scores=logits.double().tolist() if about.scores else None)


def _logits(classifier: Classifier, image: Images) -> Logits:
    with torch.no_grad():
        return classifier.checked(image[None].to(classifier.device, classifier.dtype))
