"""What a command prints with `--json`: its own figures, and around them what is the same for every command."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from brittle.addresses import plain_words
from brittle.names import stored_within
from brittle.runs.base import BaseManifest
from brittle.runs.json_numbers import json_numbers
from brittle.runs.manifest_info import LATER, DataInfo, NetworkInfo
from brittle.runs.surroundings import versions_of

JSON_SCHEMA = 1
"""Version of what commands print; it grows when a key goes away, is renamed or gets another meaning."""
Kind = Literal[
    "audit",
    "shard",
    "defence",
    "segmentation",
    "depth",
    "attack",
    "universal",
    "apply",
    "photograph",
    "corruptions",
    "substitute",
    "compare",
    "leaderboard",
    "list",
]
"""Whose keys stand beside those of the envelope."""


@dataclass(frozen=True)
class Origin:
    """What a result was made from, the same for every command.

    Attributes:
        networks: spec and digest of each, and its defence and channel where it has one; none of a list.
        data: spec, digest and number of images of each source; none of a list.
        seed: of all random draws; None where nothing was drawn, or a result was made by an older version that did not
            keep it.
        device: None likewise.
        created, finished: ISO 8601 in UTC; None where a folder does not keep it.
        versions: of the packages that made the result.
    """

    networks: Sequence[Mapping[str, str]] = ()
    data: Sequence[Mapping[str, str | int]] = ()
    seed: int | None = None
    device: str | None = None
    created: str | None = None
    finished: str | None = None
    versions: Mapping[str, str] = field(default_factory=versions_of)

    @classmethod
    def of(cls, manifest: BaseManifest) -> "Origin":
        """Return what a manifest says.

        Args:
            manifest: of any kind that has a network and images.
        """
        networks = [one for one in (getattr(manifest, "network", None),) if isinstance(one, NetworkInfo)]
        sources = [getattr(manifest, name, None) for name in ("data", "made_from", "test")]
        return cls(
            [_network(one) for one in networks],
            [
                {"spec": one.spec, "digest": one.digest, "images": one.images}
                for one in sources
                if isinstance(one, DataInfo)
            ],
            manifest.seed,
            manifest.device,
            manifest.created,
            manifest.finished,
            manifest.versions,
        )


def _network(info: NetworkInfo) -> dict[str, Any]:
    return info.model_dump(include={"spec", "digest", *LATER})


def printed(kind: Kind, figures: Mapping[str, Any], origin: Origin, command: Sequence[str]) -> dict[str, Any]:
    """Return what a command prints, as JSON can hold it.

    Args:
        kind: whose keys `figures` has.
        figures: what the command found.
        origin: what it was made from.
        command: the command line that asked for it.

    Returns:
        `schema`, `kind`, `command` and `provenance`, and after them the figures.

    Example:
        >>> origin = Origin([{"spec": "digits-lenet", "digest": "0f"}], [], seed=0, device="cpu")
        >>> found = printed("audit", {"images": 20}, origin, ["brittle", "audit"])
        >>> [*found], found["schema"], found["provenance"]["seed"]
        (['schema', 'kind', 'command', 'provenance', 'images'], 1, 0)
    """
    envelope = {"schema": JSON_SCHEMA, "kind": kind, "command": plain_words(command), "provenance": asdict(origin)}
    whole: Any = stored_within(json_numbers({**envelope, **figures}))
    return whole
