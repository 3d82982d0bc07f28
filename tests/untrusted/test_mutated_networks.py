"""Networks, weights, perturbations and the files of runs, changed at random: read, or refused with an error of ours."""

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mutations import cases, damaged, reheaded, repacked, rewritten
from safetensors.torch import save
from torch import nn

from brittle.errors import BrittleError
from brittle.evaluation.audit import audit
from brittle.models.archive import check_archive
from brittle.models.class_names import names_of
from brittle.models.weights import load_weights
from brittle.report import write_report
from brittle.runs.finding import HEALTH, read_health
from brittle.runs.read import read_manifest
from brittle.threats import Lp
from brittle.universal_attacks.perturbation import Perturbation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutants")


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3)).eval()


def exported() -> bytes:
    made = io.BytesIO()
    batch = torch.export.Dim("n", min=1, max=64)
    program = torch.export.export(small(), (torch.rand(2, 1, 6, 6),), dynamic_shapes=({0: batch},))
    torch.export.save(program, made, extra_files={"classes.json": '["a", "b", "c"]'})
    return made.getvalue()


def perturbation() -> bytes:
    made: dict[str, object] = {"method": "by hand", "passes": [1, 2]}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made.safetensors"
        Perturbation(torch.full((1, 4, 4), 0.05), Lp("inf", 0.1), made).save(path)
        return path.read_bytes()


STATE = save({name: tensor.clone() for name, tensor in small().state_dict().items()}, {"names": "['a', 'b', 'c']"})


@cases
@given(reheaded(STATE))
def test_weights(folder: Path, mutant: bytes):
    path = folder / "w.safetensors"
    path.write_bytes(mutant)
    with suppress(BrittleError):
        load_weights(small(), path)
    with suppress(BrittleError):
        assert all(isinstance(name, str) for name in names_of(path))


@cases
@given(reheaded(perturbation()))
def test_perturbations(folder: Path, mutant: bytes):
    path = folder / "v.safetensors"
    path.write_bytes(mutant)
    with suppress(BrittleError):
        read = Perturbation.load(path)
        assert read.size <= read.threat.radius + 1e-6 * max(1.0, float(read.threat.radius))
        assert read.apply(torch.zeros(1, read.tensor.shape[0], 4, 4)).shape[0] == 1


@pytest.fixture(scope="module")
def archive() -> bytes:
    pytest.importorskip("torch.export.pt2_archive", reason="torch before 2.8 exports in another format")
    return exported()


@cases
@given(st.data())
def test_archives(folder: Path, archive: bytes, data: st.DataObject):
    mutant = data.draw(repacked(archive))
    path = folder / "net.pt2"
    path.write_bytes(mutant)
    with suppress(BrittleError):
        check_archive(mutant, path.name)
    with suppress(BrittleError):
        names_of(path)


@pytest.mark.slow
@cases
@given(st.data())
def test_archives_that_are_loaded(folder: Path, archive: bytes, data: st.DataObject):
    from brittle.models.pt2 import load_pt2

    path = folder / "net.pt2"
    path.write_bytes(data.draw(repacked(archive)))
    with suppress(BrittleError):
        load_pt2(path)


@cases
@given(rewritten('["a", "b", {"x": [1, 2]}]'), damaged(b"{0: 'person', 1: 'bicycle'}"))
def test_names_of_classes(folder: Path, beside: bytes, literal: bytes):
    path = folder / "n.safetensors"
    text = literal.decode("utf-8", "replace")
    path.write_bytes(save({"x": torch.zeros(1)}, {"names": text, "brittle": text}))
    (folder / "n.classes.json").write_bytes(beside)
    with suppress(BrittleError):
        names_of(path)
    (folder / "n.classes.json").unlink()
    with suppress(BrittleError):
        names_of(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    audit("digits-lenet", "digits", out, attacks=["fgsm"], eps=0.1, max_images=4)
    return out


READERS: dict[str, Callable[[Path], object]] = {
    "manifest.json": read_manifest,
    HEALTH: lambda path: read_health(path.parent, "x"),
}


@cases
@given(st.data())
def test_manifests(run: Path, folder: Path, data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(READERS)))
    path = folder / name
    path.write_bytes(data.draw(rewritten((run / name).read_text())))
    with suppress(BrittleError):
        READERS[name](path)


@cases
@given(st.data())
def test_parts(run: Path, data: st.DataObject):
    part = next(path for path in sorted(run.rglob("*.parquet")))
    whole = part.read_bytes()
    part.write_bytes(data.draw(damaged(whole)))
    try:
        with suppress(BrittleError):
            write_report(run, run / "page.html")
    finally:
        part.write_bytes(whole)


def test_the_files_are_read_as_they_are(folder: Path, run: Path, archive: bytes):
    (folder / "whole.safetensors").write_bytes(STATE)
    load_weights(small(), folder / "whole.safetensors")
    assert names_of(folder / "whole.safetensors") == ("a", "b", "c")
    (folder / "v.safetensors").write_bytes(perturbation())
    assert Perturbation.load(folder / "v.safetensors").threat == Lp("inf", 0.1)
    check_archive(archive, "whole.pt2")
    (folder / "whole.pt2").write_bytes(archive)
    assert names_of(folder / "whole.pt2") == ("a", "b", "c")
    assert read_manifest(run / "manifest.json").attacks
