"""Sources of images: files, folders, data sets by name; streamed, in a fixed order, fitted to the network."""

from brittle.data.digits import Digits
from brittle.data.fit import Fit
from brittle.data.folder import Folder
from brittle.data.hub import Hub
from brittle.data.image_files import ImageFiles
from brittle.data.memory import Memory, from_memory
from brittle.data.noise import Noise
from brittle.data.npz import Npz
from brittle.data.open import FORMS, SOURCES, open_source
from brittle.data.parquet import Parquet
from brittle.data.source import Bad, Block, Source
from brittle.data.torchvision_source import Torchvision

__all__ = [
    "FORMS",
    "SOURCES",
    "Bad",
    "Block",
    "Digits",
    "Fit",
    "Folder",
    "Hub",
    "ImageFiles",
    "Memory",
    "Noise",
    "Npz",
    "Parquet",
    "Source",
    "Torchvision",
    "from_memory",
    "open_source",
]
