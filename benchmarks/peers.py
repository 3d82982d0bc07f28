"""The attacks of the peers, imported from their own files, unchanged.

torchattacks, foolbox and ART import as they are. adv-lib's package `adv_lib.attacks` imports all of its attacks, one of
which needs torchvision, and its PGD's file imports visdom for the type of an argument that stays None. Neither package
is needed for the attacks run here, so within the benchmark's process alone `adv_lib.attacks` is a package without its
`__init__` (the attacks' own files are found and run as they are), and `visdom` is an empty module. torchattack imports
torchvision's transforms, which its wrapper of named networks and two attacks not run here use, and attackbench imports
torchvision and wandb for data sets and results that nobody asks it for: these are mocks.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import sys
import tempfile
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

MOCKED = {
    "torchattack": ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"),
    "attackbench": ("torchvision", "torchvision.transforms", "torchvision.datasets", "wandb"),
}
"""What a peer imports and nothing here uses."""


def peer(name: str) -> Any:
    """Import a module of a peer.

    Args:
        name: full name, such as `adv_lib.attacks.deepfool`.

    Raises:
        ModuleNotFoundError: the peer is not installed; the message says how to get it.
    """
    root = name.partition(".")[0]
    if importlib.util.find_spec(root) is None:
        raise ModuleNotFoundError(f"{root} is not installed in {sys.prefix}; `make bench` makes an environment with it")
    if root == "adv_lib":
        _without_init("adv_lib.attacks")
        sys.modules.setdefault("visdom", ModuleType("visdom"))
    for absent in MOCKED.get(root, ()):
        sys.modules.setdefault(absent, MagicMock(spec=None))
    if root == "art":  # on import it writes a configuration file into the home directory
        home, os.environ["HOME"] = os.environ.get("HOME", ""), tempfile.mkdtemp(prefix="art-")
        try:
            return importlib.import_module(name)
        finally:
            os.environ["HOME"] = home
    return importlib.import_module(name)


def wrapped_for_art(module: Any, shape: tuple[int, ...], classes: int, optimiser: Any = None) -> Any:
    """Wrap a network with images (c, h, w) in [0, 1] as ART wants it, to be trained where it has an optimiser."""
    import torch

    kind = peer("art.estimators.classification").PyTorchClassifier
    loss = torch.nn.CrossEntropyLoss()
    about = {"nb_classes": classes, "clip_values": (0.0, 1.0), "optimizer": optimiser, "device_type": "cpu"}
    return kind(module, loss=loss, input_shape=shape, **about)


def seed() -> None:
    """Begin all random states anew; ART draws from NumPy's and Python's."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the one that the peers draw from


def _without_init(name: str) -> None:
    """Put a package in place whose `__init__` is not run."""
    if name in sys.modules:
        return
    parent, _, child = name.rpartition(".")
    package = ModuleType(name)
    package.__path__ = [os.path.join(path, child) for path in importlib.import_module(parent).__path__]  # noqa: PTH118
    sys.modules[name] = package
