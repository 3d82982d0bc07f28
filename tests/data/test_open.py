from pathlib import Path

import pytest

from brittle.data import FORMS, Source, open_source
from brittle.errors import DataError, InputError


def test_the_spec_is_kept_as_written(pets: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(pets.parent))
    for spec in ("~/pets", str(pets), "digits"):
        source = open_source(spec, max_images=3)
        assert isinstance(source, Source)
        assert (source.spec, source.max_images) == (spec, 3)


def test_a_file_called_like_a_scheme_wins(pets: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(pets.parent)
    pets.rename("digits")
    assert open_source("digits").classes == ("cat", "dog")


def test_missing_paths_get_a_suggestion(pets: Path):
    with pytest.raises(DataError, match=r"pest does not exist; did you mean '.*pets'\?"):
        open_source(str(pets.parent / "pest"))
    with pytest.raises(DataError, match=r"does not exist; expected digits, noise, FOLDER.*hf:NAME"):
        open_source("/nowhere/at/all")
    assert "hf:NAME" in FORMS


def test_files_that_are_not_images(tmp_path: Path):
    for name in ("data.pkl", "data"):
        (tmp_path / name).write_bytes(b"\x80\x04")
        with pytest.raises(DataError, match="file, which is not read as images; expected digits"):
            open_source(str(tmp_path / name))


def test_names_are_needed():
    with pytest.raises(DataError, match="torchvision: lacks the name of a data set; expected torchvision:CIFAR10"):
        open_source("torchvision:")
    with pytest.raises(DataError, match="hf: lacks the name"):
        open_source("hf:")


def test_limits_must_be_positive():
    with pytest.raises(InputError, match="max_images is -1"):
        open_source("digits", max_images=-1)
