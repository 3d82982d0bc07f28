"""What a network is called where several are side by side."""

from collections.abc import Callable

from brittle.names import restored
from brittle.runs.manifest_info import NetworkInfo
from brittle.runs.verdicts import placeless


def worded(network: NetworkInfo, place: Callable[[str], str] = placeless) -> str:
    """Return what the user wrote for a network: its weights, how it is read, the channel before, the defence around it.

    Args:
        network: of a manifest.
        place: what becomes of paths; by default the last name is left of absolute ones, as it is shown to others.

    Example:
        >>> about = {"parameters": 0, "input_shape": None, "bounds": (0.0, 1.0)}
        >>> worded(NetworkInfo(spec="net.py:make", digest="", weights="/home/me/new.safetensors", **about))
        'net.py:make with weights new.safetensors'
    """
    read = {"output": network.output, "mean": network.mean, "std": network.std}
    own = [f"weights {network.weights}"] if network.weights else []
    own += [network.dtype] if network.dtype else []
    own += [f"{name} {one}" for name, one in read.items() if one not in ("", None)]
    around = [f"with {', '.join(own)}"] if own else []
    around += [f"behind {network.channel}"] if network.channel else []
    around += [f"with {network.defence}"] if network.defence else []
    return " ".join(place(restored(one)) for text in (network.spec, *around) for one in text.split(" "))
