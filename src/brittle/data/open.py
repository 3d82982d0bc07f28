"""From what the user wrote to a source of images."""

import glob
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

from brittle.addresses import is_address, plain_address
from brittle.arguments import Count, FileName, checked
from brittle.data.classes import FILE, Order, check_order
from brittle.data.decode import suffixes
from brittle.data.digits import Digits
from brittle.data.fit import Fit
from brittle.data.folder import Folder
from brittle.data.hub import Hub
from brittle.data.image_files import ImageFiles
from brittle.data.noise import Noise
from brittle.data.npz import Npz
from brittle.data.parquet import Parquet, shards
from brittle.data.source import Source
from brittle.data.torchvision_source import Torchvision
from brittle.errors import BrittleError, DataError
from brittle.files import path_of
from brittle.near import closest, files_like, or_said
from brittle.plugins import Registry, parts_of_spec
from brittle.plugins.own_code import raised
from brittle.remote import fetched
from brittle.words import with_article

FORMS = {
    "digits": "built-in handwritten digits, 28 x 28: 500 test images (digits:train has the other 1,297)",
    "noise": "200 images of Gaussian noise as bright as photographs, without labels (noise:500 for 500)",
    "FOLDER": "class folders with images (cat/1.png, dog/2.jpg), or images without labels",
    "FILE.png": "one image, without a label (jpg, webp, bmp, tif, ... too)",
    "FILE.parquet": "Hugging Face layout; also a folder of shards, or a pattern such as 'data/test-*.parquet'",
    "FILE.npz": "arrays images (or x) and labels (or y); uint8, or float in [0, 1]",
    "s3://BUCKET/PATH": "a file or folder of these kinds at an address of fsspec (gs://, https://, ...), fetched once",
    "torchvision:NAME": "a data set of torchvision, e.g. torchvision:CIFAR10 or torchvision:SVHN:train",
    "hf:NAME": "a data set of the Hugging Face hub, e.g. hf:uoft-cs/cifar10 or hf:ylecun/mnist:train",
    "FILE.py:SOURCE": "a brittle.data.Source of your own, or a function that returns one",
}
"""What can be written for images, and what it means."""


class Options(TypedDict):
    """What every source takes."""

    fit: Fit | None
    max_images: int | None
    skip_bad: bool


@checked
def open_source(
    spec: FileName,
    *,
    fit: Fit | None = None,
    max_images: Count | None = None,
    skip_bad: bool = False,
    class_order: str = "auto",
) -> Source:
    """Open a source of images.

    Args:
        spec: one of `FORMS`, or a name of `SOURCES`, such as what an installed package announces.
        fit: how images are brought to the form that the network takes; by default they stay as they are.
        max_images: how many of the first images are used; all by default.
        skip_bad: whether an image that cannot be read is left out and listed in the source's `bad`; by default it
            raises BadImage.
        class_order: how classes get their numbers where only their names say: "auto", "numeric" or "text" (as
            torchvision's ImageFolder and Keras sort them), see `brittle.data.classes.Order`.

    Raises:
        DataError: if nothing can be read from there.
        InputError: for a limit below 1, or an unknown order of classes.
        MissingExtra: if an optional package is needed.

    >>> source = open_source("digits", max_images=100)
    >>> len(source), source.classes[:3]
    (100, ('0', '1', '2'))
    """
    options: Options = {"fit": fit, "max_images": max_images, "skip_bad": skip_bad}
    order = check_order(class_order)
    kind, _, rest = spec.partition(":")
    at_address = is_address(spec)
    path = fetched(spec) if at_address else path_of(spec)
    spec = plain_address(spec)
    own = None if at_address else parts_of_spec(spec)
    if own is not None and not path.exists():
        source = made(SOURCES.find(own[0]), own[1], spec, options)
    elif kind in SOURCES and not at_address and not path.exists():
        source = made(SOURCES[kind], rest, spec, options)
    else:
        source = open_path(path, spec, options, order)
    source.spec = spec
    return source


def made(make: Callable[..., Source], rest: str, spec: str, options: Options) -> Source:
    """Make a source by name; whatever somebody else's program raises becomes a DataError.

    Args:
        make: a `Source` or a function that returns one.
        rest: what follows the name and a colon; "" for nothing.
        spec: all that the user wrote.
        options: what every source takes.
    """
    try:
        source = make(rest, **options)
    except BrittleError:
        raise
    except Exception as error:
        raise DataError(f"{spec} cannot be opened ({raised(error)}); mend {getattr(make, '__name__', make)}") from error
    if not isinstance(source, Source):  # pyright: ignore[reportUnnecessaryIsInstance]  # somebody else wrote it
        raise DataError(f"{spec} returned {with_article(type(source).__name__)}; expected a brittle.data.Source")
    return source


def _digits(rest: str, **options: Unpack[Options]) -> Source:
    return Digits(rest or "test", **options)


def _hub(rest: str, **options: Unpack[Options]) -> Source:
    name, _, split = rest.partition(":")
    return Hub(_data_set("hf", name), split or None, **options)


def _torchvision(rest: str, **options: Unpack[Options]) -> Source:
    name, _, split = rest.partition(":")
    return Torchvision(_data_set("torchvision", name), split or "test", **options)


def _data_set(kind: str, name: str) -> str:
    if not name:
        raise DataError(f"{kind}: lacks the name of a data set; expected {FORMS[f'{kind}:NAME'].partition('e.g. ')[2]}")
    return name


SOURCES = Registry[Callable[..., Source]](
    "source",
    {"digits": _digits, "noise": Noise.of, "torchvision": _torchvision, "hf": _hub},
    "brittle.sources",
    callable,
    "a brittle.data.Source, or a function that returns one",
)
"""What can be opened by name: called with what follows `NAME:` ("" for nothing), and fit, max_images and skip_bad."""


def open_path(path: Path, spec: str, options: Options, order: Order) -> Source:
    """Open what lies on disk."""
    if path.is_dir():
        if any(path.glob("*.parquet")):
            return beside(Parquet(shards(path), spec=spec, class_order=order, **options), path)
        return Folder(path, spec=spec, class_order=order, **options)
    suffix = path.suffix.lower()
    if suffix == ".parquet" and (path.exists() or glob.has_magic(path.name)):
        return Parquet([path] if path.exists() else shards(path), spec=spec, class_order=order, **options)
    if not path.exists():
        raise DataError(missing(path, spec))
    if suffix == ".npz":
        return Npz(path, spec=spec, **options)
    if suffix in suffixes():
        return ImageFiles([path], spec=spec, **options)
    raise DataError(f"{spec} is a {suffix or 'nameless'} file, which is not read as images; {expected()}")


def beside(source: Parquet, folder: Path) -> Parquet:
    """Count what lies in a folder beside its Parquet files, which are read alone."""
    others = [entry for entry in folder.iterdir() if entry.suffix != ".parquet" and entry.name != FILE]
    found = {"folders beside Parquet files": 0, "files beside Parquet files": 0}
    for entry in others:
        found["folders beside Parquet files" if entry.is_dir() else "files beside Parquet files"] += 1
    source.skipped = {reason: count for reason, count in found.items() if count}
    return source


def missing(path: Path, spec: str) -> str:
    """Return what to say of a path where nothing lies."""
    kind, colon, rest = spec.partition(":")
    names = [name + colon + rest for name in closest(kind, SOURCES)]
    if near := or_said([*names, *map(str, files_like(path))]):
        return f"{spec} does not exist{near}"
    return f"{spec} does not exist; {expected()}"


def expected() -> str:
    """Return the forms in one line."""
    return f"expected {', '.join(FORMS)}"
