"""A bank of patches is made once, saved, and given again as a file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from brittle import Classifier
from brittle.defences.chain import Chain
from brittle.defences.jpeg import JPEG
from brittle.defences.patches import load_patches, save_patches
from brittle.defences.quilting import Quilting
from brittle.errors import InputError, RunError
from brittle.evaluation.defended import Defended, defence_of, spelled_defence
from brittle.evaluation.subject import open_subject
from brittle.identity.walk import reach
from brittle.runs.checkpoint import checksum
from brittle.specs import DataSpec, ModelSpec

PLAIN = Classifier(nn.Flatten())


def clean(seed: int = 0, channels: int = 1) -> Tensor:
    return torch.rand((64, channels, 9, 8), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.safetensors"
    Quilting(bank=60).prepare(PLAIN, clean()).save(path)
    return path


def seen(defence: Quilting) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return defence.transform(clean(1)[:3])


def test_a_saved_bank_gives_the_same_images_and_needs_no_clean_ones(bank: Path):
    given = defence_of(f"quilting:file={bank}")
    assert isinstance(given, Quilting)
    assert given.ready
    assert given.images_needed == 0
    assert torch.equal(seen(given), seen(Quilting(bank=60).prepare(PLAIN, clean())))
    assert given.prepare(PLAIN, clean(2)).patches is given.patches


def test_it_is_written_as_it_was_given(bank: Path):
    given = defence_of(f"quilting:neighbours=4,file={bank}")
    assert spelled_defence(given) == f"quilting:neighbours=4,bank=60,file={bank}"
    assert defence_of(spelled_defence(given)) == given
    assert torch.equal(seen(replace(given, overlap=3, neighbours=1)), seen(Quilting(5, 3, 1, file=str(bank))))


def test_a_network_is_defended_with_it_by_name(bank: Path):
    asked = ModelSpec("digits-lenet", defence=f"quilting:file={bank}"), DataSpec("digits", max_images=2)
    assert open_subject(*asked).defended.text == f"quilting:bank=60,file={bank}"


def test_it_stands_in_a_chain(bank: Path):
    chain = Chain((JPEG(), Quilting(file=str(bank))))
    assert chain.ready
    assert Defended.of(chain, PLAIN, None, naive=False).classifier.logits(clean()[:1]).shape == (1, 72)


def test_a_run_is_known_by_what_the_file_holds(bank: Path):
    def digest() -> str:
        return reach(Quilting(file=str(bank)).adaptive(PLAIN).classifier.module).digest()

    before = digest()
    assert digest() == before
    Quilting(bank=60).prepare(PLAIN, clean(1)).save(bank)
    assert digest() != before


def written(path: Path, tensors: dict[str, Tensor], **other: object) -> None:
    """Write a file that is sealed as ours are, whatever it holds."""
    header = {"format": 1, "holds": "patches", "id": checksum({}, tensors), **other}
    save_file(tensors, path, {"brittle": json.dumps(header)})


PATCHES = torch.rand(20, 1, 5, 5)
FILES = {
    "hold NaN or": lambda path: written(path, {"patches": PATCHES / 0}),
    "values outside 0 to 1": lambda path: written(path, {"patches": PATCHES * 255}),
    "torch.uint8, not torch.float32": lambda path: written(path, {"patches": PATCHES.to(torch.uint8)}),
    "torch.float16, not torch.float32": lambda path: written(path, {"patches": PATCHES.half()}),
    r"shape \(20, 1, 5, 4\)": lambda path: written(path, {"patches": PATCHES[..., :4].contiguous()}),
    r"shape \(20, 25\)": lambda path: written(path, {"patches": PATCHES.flatten(1)}),
    r"shape \(0, 1, 5, 5\)": lambda path: written(path, {"patches": PATCHES[:0]}),
    "not that of its content: it was damaged": lambda path: written(path, {"patches": PATCHES}, id="0" * 64),
    "does not say that it holds patches in format 1": lambda path: written(path, {"patches": PATCHES}, format=2),
    "no bank of patches.*'id'": lambda path: save_file(
        {"patches": PATCHES}, path, {"brittle": '{"format": 1, "holds": "patches"}'}
    ),
    "no bank of patches.*holds": lambda path: save_file(
        {"fc.weight": PATCHES}, path, {"brittle": '{"architecture": "digits-lenet"}'}
    ),
    "no bank of patches.*brittle": lambda path: save_file({"patches": PATCHES}, path),
    "no whole safetensors file": lambda path: path.write_bytes(b"P2 5 5 255 " * 50),
    "No such file": lambda path: None,
}


@pytest.mark.parametrize("said", FILES)
def test_another_or_a_damaged_file_is_one_clear_error(said: str, tmp_path: Path):
    path = tmp_path / "bank.safetensors"
    FILES[said](path)
    with pytest.raises(InputError, match=said) as told:
        Quilting(file=str(path))
    assert "expected what `save` of a prepared Quilting wrote" in str(told.value)


def test_every_byte_that_is_lost_or_changed_is_seen(bank: Path):
    whole = bank.read_bytes()
    for changed in (whole[:-1], whole[:40], whole[:-9] + b"\x00" + whole[-8:], whole + b"\x00"):
        bank.write_bytes(changed)
        with pytest.raises(InputError, match="no bank of patches"):
            load_patches(str(bank))


def test_a_bank_of_another_size_is_refused(bank: Path, tmp_path: Path):
    with pytest.raises(InputError, match="patches of 5 x 5, and the defence lays patches of 7 x 7; give patch=5"):
        Quilting(patch=7, file=str(bank))
    with pytest.raises(InputError, match="holds 60 patches, and bank is 500; leave one of them out"):
        Quilting(bank=500, file=str(bank))
    with pytest.raises(InputError, match="100 neighbours of a bank of 60 patches"):
        Quilting(neighbours=100, file=str(bank))
    save_patches(tmp_path / "colour", torch.rand(60, 3, 5, 5))
    colour = f"quilting:file={tmp_path / 'colour'}"
    with pytest.raises(InputError, match="have 1 channels and the bank of patches 3"):
        open_subject(ModelSpec("digits-lenet", defence=colour), DataSpec("digits", max_images=2))
    with pytest.raises(InputError, match="4 x 9 pixels, and the patches 5 x 5"):
        Quilting(file=str(bank)).image_shape((1, 4, 9))


def test_what_cannot_be_saved_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="has no bank of patches"):
        Quilting().save(tmp_path / "bank")
    with pytest.raises(RunError, match="is a folder"):
        Quilting(bank=60).prepare(PLAIN, clean()).save(tmp_path)
    assert not [*tmp_path.iterdir()]
