"""From what a user writes to a network."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from brittle.addresses import is_address, last_name, plain_address
from brittle.arguments import Device, FileName, checked
from brittle.errors import ModelError
from brittle.files import path_of
from brittle.models.architectures import ARCHITECTURES
from brittle.models.builtin import load_builtin
from brittle.models.class_names import names_of
from brittle.models.endpoint import BEGINNINGS, load_endpoint
from brittle.models.factory import load_announced, load_factory
from brittle.models.hub import load_hub
from brittle.models.network import Network, digest_of
from brittle.models.normalised import normalised
from brittle.models.onnx import load_onnx
from brittle.models.vision import load_timm, load_torchvision
from brittle.models.weights import PICKLES, refuse_pickle, weights_file
from brittle.near import closest, files_like, meant, or_said
from brittle.plugins import Registry
from brittle.remote import fetched
from brittle.runs.kinds import TITLES, kind_in

TYPES = {name: getattr(torch, name) for name in ("float16", "bfloat16", "float32", "float64")}
"""Number formats that a network can be brought to."""
COLLECTIONS = {"torchvision:": load_torchvision, "timm:": load_timm, "hf:": load_hub}
"""Beginnings of a spec that name a collection of networks."""
FAMILIES = re.compile(
    "alexnet|beit|cait|coatnet|convnext|deit|densenet|dla|dpn|eca|efficientnet|eva|fbnet|ghostnet|googlenet|hrnet|"
    "inception|levit|maxvit|mixer|mnasnet|mobilenet|mobilevit|nasnet|nfnet|pvt|regnet|rep|res|se|shufflenet|squeezenet|"
    "swin|tf_|tiny|vgg|vit|wide_resnet|xception",
    re.IGNORECASE,
)
"""How names of networks begin that timm or torchvision have."""
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
"""Endings of pictures, which somebody may give before the network."""
READ = (".pt2", ".onnx", ".py", ".safetensors", *PICKLES)
"""Endings of files that hold a network or weights."""
NETWORKS = Registry[Callable[[], object]](
    "network",
    {name: one.build for name, one in ARCHITECTURES.items()},
    "brittle.networks",
    callable,
    "a function without arguments that returns a network",
)
"""Functions that build a network, by name: brittle's architectures, with first weights, and those of packages."""


@checked
def open_network(  # what is opened, and what is done to it
    spec: FileName,
    *,
    weights: Path | str | None = None,
    device: Device = "cpu",
    dtype: str | None = None,
    mean: str | float | Sequence[float] | None = None,
    std: str | float | Sequence[float] | None = None,
) -> Network:
    """Loads a network from a file, a function, a collection, a service or brittle's own architectures.

    Args:
        spec: `NETWORK.pt2` or `NETWORK.onnx`, also at an address such as `s3://BUCKET/NETWORK.pt2`, `FILE.py:FACTORY`,
            `torchvision:NAME`, `timm:NAME`, `hf:NAME`, the URL of a service such as `http://127.0.0.1:8000/`,
            or a name in `NETWORKS`: a built-in architecture, or what an installed package announces.
        weights: a safetensors file or the folder of a training, also at an address, for all but `.pt2` and `.onnx`,
            which carry their own.
        device: where the module shall lie, such as "cpu", "cuda:0" or "mps".
        dtype: float16, bfloat16, float32 or float64, which the weights are brought to; by default they stay as they
            come, and float32 for `hf:NAME`. Not for `.pt2` and `.onnx`, whose programs name their types.
        mean: of a network that takes normalised images, the mean of each channel, in units of images from 0 to 1, such
            as "0.485,0.456,0.406" or (0.5,); or a name that says both, such as "imagenet" (`STATISTICS`).
        std: likewise the standard deviations.

    Returns:
        The network, in eval mode.

    Raises:
        ModelError: no such network, a file that cannot be loaded, a pickle, or weights of another network.
        InputError: an argument of another type, a device that torch cannot use here, or a mean that is none, or that
            is given to a network which has its own inside.
        MissingExtra: a package that is needed is not installed.
        OracleError: a service that does not answer.

    Example:
        >>> open_network("digits-lenet").classes[:3]
        ('0', '1', '2')
    """
    given = None if weights is None else weights_file(_lying(str(weights)))
    path = _lying(spec)
    network = _load(spec if path == path_of(spec) else str(path), given, device)
    if is_address(spec):
        network = replace(network, spec=plain_address(spec))
    file = given or path
    if file.suffix in (".pt2", ".onnx", ".safetensors") and (names := names_of(file)):
        network = replace(network, classes=names)
    if dtype is not None:
        network = _in_type(network, dtype)
    network = normalised(network, mean, std)
    if torch.device(device).type == "cpu":
        return network
    return replace(network, module=network.module.to(device))


def _lying(spec: str) -> Path:
    """Return where a file lies on this disk that a user named by its path or its address.

    Raises:
        ModelError: a pickle, or a program at an address, neither of which is fetched.
    """
    if not is_address(spec) or spec.startswith(BEGINNINGS):
        return path_of(spec)
    name = last_name(spec)
    refuse_pickle(Path(name))
    if ".py" in (Path(name).suffix, Path(name.rpartition(":")[0]).suffix):
        raise ModelError(f"{plain_address(spec)} is a program, which is not fetched to be run; copy it to this machine")
    return fetched(spec)


def _in_type(network: Network, dtype: str) -> Network:
    """The network with its weights in another number format, and a digest of its own."""
    if dtype not in TYPES:
        raise ModelError(f"the number format is {dtype!r}{meant(dtype, TYPES)}; expected {', '.join(TYPES)}")
    if Path(network.spec).suffix in (".pt2", ".onnx"):
        raise ModelError(f"the program in {network.spec} names the types of its numbers; leave --dtype out")
    if network.spec.startswith(BEGINNINGS):
        raise ModelError(f"{network.spec} is a service, which calculates as it does; leave --dtype out")
    module = network.module.to(TYPES[dtype])
    return replace(network, module=module, digest=digest_of(module, network.digest.encode()))


def _load(spec: str, weights: Path | None, device: str) -> Network:
    """The network on the processor, except for an archive, which must move before it becomes a module."""
    if spec in NETWORKS:
        build = NETWORKS[spec]
        return load_builtin(spec, weights) if spec in ARCHITECTURES else load_announced(spec, build, weights)
    if spec.startswith(BEGINNINGS):
        return load_endpoint(spec, weights)
    for beginning, load in COLLECTIONS.items():
        if spec.startswith(beginning) and not os.path.lexists(spec):
            return load(spec.removeprefix(beginning), weights)
    if Path(spec.rpartition(":")[0]).suffix == ".py":
        return load_factory(spec, weights)
    path = path_of(spec)
    refuse_pickle(path)
    if path.suffix in (".pt2", ".onnx"):
        if weights is not None:
            raise ModelError(f"{spec} carries its own weights; leave --weights out")
        if not path.is_file():
            raise ModelError(f"there is no file {spec!r}{or_said(_as_written(path))}")
        return replace(_load_file(path, device), spec=spec)
    raise ModelError(_unknown(spec, path))


def _load_file(path: Path, device: str) -> Network:
    if path.suffix == ".onnx":
        return load_onnx(path)
    from brittle.models.pt2 import load_pt2  # torch.export takes as long to import as the rest of brittle

    return load_pt2(path, device)


def _meant(spec: str, path: Path) -> Iterator[str]:
    """What may have been meant: names that are near, files of this name, and networks of a collection."""
    yield from closest(spec, NETWORKS)[:1]
    yield from _as_written(path)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", spec) and not path.parent.is_dir():
        yield f"hf:{spec}"
    elif FAMILIES.match(spec):
        yield from (beginning + spec for beginning in ("timm:", "torchvision:"))


def _as_written(path: Path) -> list[str]:
    """Files beside a path where nothing lies, as they are given as networks."""
    forms = {".safetensors": "FILE.py:FACTORY --weights {}", ".py": "{}:FACTORY"}
    return [forms.get(one.suffix, "{}").format(one) for one in files_like(path) if one.suffix in READ]


def _unknown(spec: str, path: Path) -> str:
    """What is wrong with a spec of no known form."""
    if path.suffix == ".safetensors":
        return f"{spec!r} holds weights without a network; name the network and give --weights {spec}"
    if (kind := kind_in(path)) in ("training", "substitute"):
        return f"{spec!r} is the folder of {TITLES[kind]}; name the network that was trained and give --weights {spec}"
    if path.suffix == ".py":
        return f"{spec!r} is a Python file; name its function that builds the network too: {spec}:FACTORY"
    if path.suffix.lower() in PICTURES:
        return f"{spec!r} is the name of a picture; the network comes first, then the images"
    hint = or_said([*_meant(spec, path)])
    return (
        f"there is no network {spec!r}{hint or '.'} Known are NETWORK.pt2, NETWORK.onnx, FILE.py:FACTORY (with "
        f"--weights), torchvision:NAME, timm:NAME, hf:NAME, http://HOST:PORT/, and {', '.join(NETWORKS)}"
    )
