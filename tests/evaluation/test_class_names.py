"""Classes that network and images both know by name, in another order."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from brittle.data import open_source
from brittle.errors import InputError, LabelError
from brittle.evaluation.audit import audit
from brittle.evaluation.class_names import match_classes, match_names
from brittle.models import Network, open_network
from brittle.models.class_names import names_from, names_in, names_of
from brittle.runs.summary import summarise
from brittle.terminal import console, show_summary

pytestmark = pytest.mark.usefixtures("few_checks")

LEVELS = {"1": 40, "2": 120, "10": 220}
"""Brightness of the images of each class."""


class Brightness(nn.Module):
    """Knows the three classes by how bright they are; its outputs stand in the given order."""

    def __init__(self, order: tuple[str, ...]):
        super().__init__()
        self.register_buffer("levels", torch.tensor([LEVELS[name] / 255 for name in order]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -20 * (images.mean((1, 2, 3))[:, None] - self.levels) ** 2


def network(order: tuple[str, ...], classes: tuple[str, ...] | None = None) -> Network:
    return Network(
        "brightness", Brightness(order).eval(), "0" * 64, (1, 4, 4), order if classes is None else classes, 0
    )


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, level in LEVELS.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (4, 4), level + i).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


def audited(given: Network, data: Path, out: Path, **options):
    run = audit(given, str(data), out / "run", attacks=["fgsm"], eps=1 / 255, **options)
    return run, summarise(run)


def test_a_network_with_names_settles_the_order(folders: Path, tmp_path: Path):
    """On 25f28ea: clean accuracy 33 %, and nothing is said."""
    run, summary = audited(network(("1", "10", "2")), folders, tmp_path)
    assert summary.clean.value == 1
    assert run.manifest.data.classes == ["1", "10", "2"]
    assert run.manifest.data.relabelled == [0, 2, 1]
    assert "labels renumbered by name" in summary.notes[-1]
    with console.capture() as capture:
        show_summary(summary)
    assert "labels renumbered by name" in capture.get()


def test_the_matching_is_part_of_the_identity(folders: Path, tmp_path: Path):
    run, _ = audited(network(("1", "10", "2")), folders, tmp_path)
    other = run.manifest.model_copy(update={"data": run.manifest.data.model_copy(update={"relabelled": None})})
    assert other.fingerprint() != run.manifest.fingerprint()


def test_without_names_the_order_used_is_said_and_can_be_chosen(folders: Path, tmp_path: Path):
    nameless = network(("1", "10", "2"), ())
    _, summary = audited(nameless, folders, tmp_path / "numeric")
    assert summary.clean.value == pytest.approx(1 / 3)
    assert "sorted as numbers (1, 2, 10); torchvision's ImageFolder" in summary.notes[0]
    assert "--class-order text" in summary.notes[0]
    _, summary = audited(nameless, folders, tmp_path / "text", class_order="text")
    assert summary.clean.value == 1
    assert "sorted as text (1, 10, 2), not as numbers (1, 2, 10)" in summary.notes[0]
    assert open_source(str(folders)).digest() != open_source(str(folders), class_order="text").digest()
    with pytest.raises(InputError, match="class_order='alphabet' is unknown; give auto, numeric, text"):
        open_source(str(folders), class_order="alphabet")


def test_numbers_in_one_order_need_no_word(tmp_path: Path):
    for name in "012":
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "a.png")
    assert open_source(str(tmp_path)).remarks == []


def test_a_subset_is_mapped_and_said(folders: Path):
    source = open_source(str(folders))
    source, said = match_classes(("0", "10", "zebra", "2", "1"), source)
    assert said == [
        "labels renumbered by name: the data's 3 classes are among the network's 5 (1 is 4, 2 is 3, 10 is 1)"
    ]
    assert source.classes == ("0", "10", "zebra", "2", "1")
    (block,) = source.blocks(9)
    folders_of = [name.split("/")[0] for name in block.names]
    assert dict(zip(folders_of, block.labels.tolist(), strict=True)) == {"1": 4, "2": 3, "10": 1}


def test_other_names_are_refused_unless_the_numbers_are_taken_as_they_are(folders: Path):
    source = open_source(str(folders))
    with pytest.raises(
        LabelError,
        match=r"2 of the data's 3 classes are not among the network's 3: the data alone have '2', '10', the network "
        r"alone 'cat', 'dog'\. Rename .* --class-order numeric",
    ):
        match_classes(("cat", "1", "dog"), source)
    assert source.relabelled is None
    same, said = match_classes(("cat", "1", "dog"), source, "numeric")
    assert same is source
    assert "although 3 of them have another name in the network ('cat', '1', 'dog')" in said[-1]
    assert source.relabelled is None


@pytest.mark.parametrize(
    ("ours", "theirs", "places"),
    [
        (["a", "b"], ["a", "b"], [0, 1]),
        (["Egyptian_cat", "t-shirt"], ["T Shirt", "egyptian cat"], [1, 0]),
        (["tench", "crane"], ["crane", "tench, Tinca tinca"], [1, 0]),
        (["0 - zero", "1 - one"], ["1", "0"], [1, 0]),
        (["007", "10"], ["10", "7"], [1, 0]),
        (["crane", "maillot", "crane"], ["crane", "crane", "maillot"], [0, 2, 1]),  # both, in order
        (["crane"], ["crane", "crane"], [None]),  # which of the two is not known
        (["car"], ["automobile"], [None]),
        (["tench", "crane", "crane", "maillot"], ["tench", "crane bird", "crane", "maillot tank suit"], [0, 1, 2, 3]),
        (["dog", "crane"], ["crane bird", "dog"], [1, None]),  # in another order that is too little
    ],
)
def test_names_are_compared_by_what_tells_them_apart(ours: list[str], theirs: list[str], places: list[int | None]):
    assert match_names(ours, theirs) == places


def test_images_without_names_or_labels_are_left_alone(folders: Path):
    source = open_source(str(folders / "1"))
    assert match_classes(("cat", "dog"), source) == (source, [])


def test_weights_of_other_classes_do_not_inherit_names(tmp_path: Path):
    """On 25f28ea: the digits' names, whatever the weights are of; harmless as long as nobody compared them."""
    module = open_network("digits-lenet").module
    plain, told = tmp_path / "plain.safetensors", tmp_path / "told.safetensors"
    save_file(module.state_dict(), plain)
    assert open_network("digits-lenet", weights=plain).classes == ()
    names = [f"garment {i}" for i in range(10)]
    save_file(module.state_dict(), told, {"brittle": json.dumps({"data": {"classes": names}})})
    assert open_network("digits-lenet", weights=told).classes == tuple(names)
    plain.with_suffix(".classes.json").write_text(json.dumps(names[::-1]))
    assert open_network("digits-lenet", weights=plain).classes == tuple(names[::-1])


def test_names_in_metadata():
    assert names_in({"names": "{0: 'cat', 1: 'dog'}"}) == ("cat", "dog")
    assert names_in({"classes": '["cat", "dog"]'}) == ("cat", "dog")
    assert names_in({"names": "__import__('os')", "labels": "[1]"}) == ()
    assert names_from({1: "b", 0: "a"}) == ("a", "b")
    assert names_from({1: "b", 2: "a"}) == names_from("ab") == names_from([0, "a"]) == ()


def test_names_in_an_exported_program(tmp_path: Path):
    pytest.importorskip("torch.export.pt2_archive", reason="torch before 2.8 exports in another format")
    program = torch.export.export(
        Brightness(("1", "2", "10")).eval(), (torch.rand(2, 1, 4, 4),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, tmp_path / "net.pt2", extra_files={"classes.json": '["1", "2", "10"]'})
    assert open_network(str(tmp_path / "net.pt2")).classes == ("1", "2", "10")
    torch.export.save(program, tmp_path / "bare.pt2")
    assert names_of(tmp_path / "bare.pt2") == ()


def test_a_source_is_left_as_it_was_so_that_another_network_can_have_it(folders: Path):
    source = open_source(str(folders))
    first, _ = match_classes(("10", "2", "1"), source)
    second, _ = match_classes(("1", "10", "2"), source)
    third, _ = match_classes(("1", "10", "2"), first)
    assert (source.relabelled, source.classes) == (None, ("1", "2", "10"))
    assert first.relabelled == (2, 1, 0)
    assert second.relabelled == third.relabelled == (0, 2, 1)
    with pytest.raises(InputError, match="2 new labels for 3 classes"):
        source.with_classes([0, 1], ("a", "b"))


def test_a_folder_above_the_class_folders_is_no_class_to_be_renamed(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "data" / "all" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "data" / "all" / name / "1.png")
    with pytest.raises(LabelError) as caught:
        match_classes(("cat", "dog"), open_source(str(tmp_path / "data")))
    said = str(caught.value)
    assert "the network alone 'cat', 'dog'. Folder " in said
    assert said.endswith(f"did you mean '{tmp_path / 'data' / 'all'}', which holds 2 folders with images?")
