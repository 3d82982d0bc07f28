"""Data sets by name, against stand-ins for the packages that bring them."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest
from PIL import Image

from brittle.data import open_source
from brittle.errors import BadImage, DataError, LabelError, MissingExtra

from .conftest import encoded, grey


class ToySet:
    """As torchvision's: made with root, train and download; the third image is broken."""

    classes: ClassVar = ["zero", "one"]
    length = 4

    def __init__(self, root: str, train: bool = True, download: bool = False):
        assert download
        self.root, self.train = root, train

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index == 2:
            raise OSError("image file is truncated")
        return grey(index + 100 * self.train), index % 2


class SplitSet(ToySet):
    def __init__(self, root: str, split: str = "train", download: bool = False):
        if split not in ("train", "test"):
            raise ValueError(f"unknown split {split}")
        super().__init__(root, split == "train", download)


class EmptySet(ToySet):
    length = 0


class SynonymSet(ToySet):
    """As torchvision's ImageNet."""

    classes: ClassVar = [("tench", "Tinca tinca"), ("goldfish", "Carassius auratus")]


class BoxSet(ToySet):
    def __getitem__(self, index: int) -> tuple[Image.Image, dict]:
        return grey(index), {"boxes": []}


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    package, sets = ModuleType("torchvision"), ModuleType("torchvision.datasets")
    package.datasets = sets
    sets.__all__ = ["BoxSet", "EmptySet", "SplitSet", "SynonymSet", "ToySet"]
    sets.SynonymSet = SynonymSet
    sets.ToySet, sets.SplitSet, sets.EmptySet, sets.BoxSet = ToySet, SplitSet, EmptySet, BoxSet
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", sets)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return sets


@pytest.mark.usefixtures("torchvision")
def test_torchvision(tmp_path: Path):
    source = open_source("torchvision:toyset", skip_bad=True)
    assert source.classes == ("zero", "one")
    (block,) = source.blocks(9)
    assert (block.images[:, 0, 0, 0] * 255).round().tolist() == [0, 1, 3]
    assert block.labels.tolist() == [0, 1, 1]
    assert source.bad[0].name == "toyset/2"
    assert (tmp_path / "brittle" / "torchvision").is_dir()
    with pytest.raises(BadImage, match="truncated"):
        list(open_source("torchvision:ToySet").blocks(3))
    train = open_source("torchvision:ToySet:train", max_images=2)
    assert (next(train.blocks(1)).images * 255).round().max() == 100
    assert train.digest() != open_source("torchvision:ToySet", max_images=2).digest() != source.digest()


@pytest.mark.usefixtures("torchvision")
def test_synonyms_of_classes():
    assert open_source("torchvision:SynonymSet").classes == ("tench, Tinca tinca", "goldfish, Carassius auratus")


@pytest.mark.usefixtures("torchvision")
def test_torchvision_refuses():
    assert len(open_source("torchvision:SplitSet:train")) == 4
    for spec, message in (
        ("torchvision:SplitSet:val", "cannot be opened in .*unknown split val"),
        ("torchvision:ToySet:val", "no split 'val'; expected train or test"),
        ("torchvision:ToySte", r"no data set 'ToySte'; did you mean 'torchvision:ToySet'"),
        ("torchvision:qqq", "see torchvision's list"),
        ("torchvision:EmptySet", "has no images"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(spec)
    with pytest.raises(DataError, match=r"gives Image and dict.*classification"):
        next(open_source("torchvision:BoxSet").blocks(1))


class Kind:
    """Stands in for a feature of `datasets`."""

    def __init__(self, names: list[str] | None = None, decode: bool = True):
        self.names, self.decode = names, decode


Picture = type("Image", (Kind,), {})
ClassLabel = type("ClassLabel", (Kind,), {})


class Rows:
    """As a data set of `datasets`: encoded once the column is cast."""

    def __init__(self, rows: list[dict], features: dict[str, Kind], encoded: bool = False):
        self.rows, self.features, self.encoded = rows, features, encoded

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        assert self.encoded
        return self.rows[index]

    def cast_column(self, column: str, kind: Kind) -> "Rows":
        assert type(self.features[column]) is Picture
        assert not kind.decode
        return Rows(self.rows, self.features, encoded=True)


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("datasets")
    module.Image, module.__version__ = Picture, "4.0.0"
    cells = [{"bytes": encoded(grey(level)), "path": f"{level}.png"} for level in (5, 6, 7)]
    rows = [{"img": cell, "label": i} for i, cell in enumerate(cells)]
    module.sets = {"toys/test": Rows(rows, {"img": Picture(), "label": ClassLabel(["a", "b", "c"])})}
    module.splits = ["train", "test"]

    def load_dataset(name: str, split: str) -> Rows:
        if f"{name}/{split}" not in module.sets:
            raise FileNotFoundError(f"no {name} {split}")
        return module.sets[f"{name}/{split}"]

    module.load_dataset = load_dataset
    module.get_dataset_split_names = lambda name: module.splits
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def test_hub(datasets: ModuleType):
    source = open_source("hf:toys", max_images=2)
    assert source.classes == ("a", "b", "c")
    (block,) = source.blocks(5)
    assert block.names == ("5.png", "6.png")
    assert block.labels.tolist() == [0, 1]
    assert (block.images[:, 0, 0, 0] * 255).round().tolist() == [5, 6]
    assert source.digest() == open_source("hf:toys:test", max_images=2).digest() != open_source("hf:toys").digest()
    datasets.sets["toys/only"] = Rows([{"photo": None}], {"photo": Picture()})
    datasets.splits = ["only"]
    unlabelled = open_source("hf:toys", skip_bad=True)
    assert not unlabelled.labelled
    assert len(next(unlabelled.blocks(1))) == 0
    assert unlabelled.bad[0].reason == "the cell holds no image: neither bytes nor the path of a file"


def test_a_hub_set_made_of_image_files(datasets: ModuleType, tmp_path: Path):
    for level in (5, 6):
        (tmp_path / f"{level}.png").write_bytes(encoded(grey(level)))
    rows = [{"img": {"bytes": None, "path": str(tmp_path / f"{level}.png")}, "label": 0} for level in (5, 6)]
    rows.append({"img": {"bytes": None, "path": "7.png"}, "label": 0})
    datasets.sets[f"{tmp_path}/test"] = Rows(rows, {"img": Picture(), "label": ClassLabel(["a"])})
    source = open_source(f"hf:{tmp_path}", skip_bad=True)
    (block,) = source.blocks(5)
    assert (block.images[:, 0, 0, 0] * 255).round().tolist() == [5, 6]
    assert "'7.png' does not say in which folder" in source.bad[0].reason
    digest = source.digest()
    (tmp_path / "5.png").write_bytes(encoded(grey(8)))
    assert open_source(f"hf:{tmp_path}").digest() != digest


def test_a_hub_set_may_not_name_other_files(datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub = ModuleType("huggingface_hub")
    hub.constants = SimpleNamespace(HF_HUB_CACHE=str(tmp_path / "hub"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    downloads = tmp_path / "downloads"
    datasets.config = SimpleNamespace(DOWNLOADED_DATASETS_PATH=downloads, EXTRACTED_DATASETS_PATH=downloads / "open")
    own = tmp_path / "hub" / "datasets--me--toys" / "snapshots"
    allowed = [own / "5.png", downloads / "open" / "6.png"]
    refused = [
        tmp_path / "photo.png",
        tmp_path / "hub" / "datasets--you--private" / "7.png",
        own / ".." / ".." / ".." / "photo.png",
    ]
    for place in (*allowed, *refused):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(grey(9)))
    rows = [{"img": {"bytes": None, "path": str(place)}, "label": 0} for place in (*allowed, *refused)]
    for name in ("me/toys", "toys"):
        datasets.sets[f"{name}/test"] = Rows(rows, {"img": Picture(), "label": ClassLabel(["a"])})
        source = open_source(f"hf:{name}", skip_bad=True)
        assert len(next(source.blocks(5))) == len(allowed)
        assert [bad.name for bad in source.bad] == [str(place) for place in refused]
        assert all("outside of" in bad.reason and "its own files alone" in bad.reason for bad in source.bad)


def test_hub_refuses(datasets: ModuleType):
    datasets.sets["toys/test"].rows[1]["label"] = None
    with pytest.raises(LabelError, match="label -1"):
        list(open_source("hf:toys").blocks(3))
    with pytest.raises(DataError, match="hf:toys cannot be opened: FileNotFoundError: no toys val"):
        open_source("hf:toys:val")
    datasets.splits = ["a", "b"]
    with pytest.raises(DataError, match=r"has the splits a, b; name one, e\.g\. hf:toys:a"):
        open_source("hf:toys")
    datasets.sets["toys/text"] = Rows([], {"text": Kind()})
    with pytest.raises(DataError, match=r"no columns of images; columns are text \(Kind\)"):
        open_source("hf:toys:text")
    datasets.sets["toys/none"] = Rows([], {"image": Picture()})
    with pytest.raises(DataError, match="has no images"):
        open_source("hf:toys:none")


def test_a_version_that_can_run_a_repositorys_script_is_refused(datasets: ModuleType):
    datasets.__version__ = "3.6.0"
    with pytest.raises(DataError, match=r"datasets 3.6.0 can run a program .* datasets 4 or later"):
        open_source("hf:toy/set")
    del datasets.__version__
    with pytest.raises(DataError, match=r"datasets of an unknown version can run a program"):
        open_source("hf:toy/set")


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch):
    for package, spec, extra in (("torchvision", "torchvision:MNIST", "vision"), ("datasets", "hf:mnist", "hub")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.datasets", None)
        with pytest.raises(
            MissingExtra, match=rf"{spec} needs the package '{package}': pip install 'brittle\[{extra}\]'"
        ):
            open_source(spec)
