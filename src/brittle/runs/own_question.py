"""A question as two audits must share it: the threat in words, and the code of the user's that it is made of."""

from pathlib import PurePath

from brittle.names import restored
from brittle.plugins import parts_of_spec
from brittle.runs.manifest import Manifest


def words_of_question(manifest: Manifest) -> str:
    """Return the threat with its radius and settings."""
    threat = manifest.threat
    settings = "".join(f", {name} {one}" for name, one in threat.settings.items())
    return f"{threat.norm} {'without limit' if threat.radius is None else f'{threat.radius:g}'}{settings}"


def code_of_question(manifest: Manifest) -> dict[str, str]:
    """Return the sha256 of the files that threat and attacks are named from, by their names.

    A file that the network is named from, too, is left out: it differs where networks do.
    """
    asked = {_file_of(one) for one in (manifest.threat.spec, *(attack.spec for attack in manifest.attacks))}
    asked -= {"", _file_of(manifest.network.spec)}
    yours = {} if manifest.code is None else manifest.code.yours
    return {name: digest for name, digest in yours.items() if restored(name) in asked}


def _file_of(spec: str) -> str:
    own = parts_of_spec(restored(spec))
    return "" if own is None else PurePath(own[0].rpartition(":")[0]).name
