"""Parts of an audit done from its recipe, as a worker in another process does them; here that process is this one."""

import shutil

import pytest
import torch
from crew_work import Posted, Watch, rows
from torch import nn

from brittle.attacks.fgsm import FGSM
from brittle.errors import RunError
from brittle.evaluation.audit import audit
from brittle.evaluation.audit_recipe import AuditRecipe
from brittle.limits import use_limits
from brittle.runs.store import RunFolder

ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 20}
pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.mark.parametrize("sees", [True, False], ids=["in the folder of the run", "in a folder of its own"])
def test_rows_of_a_worker_are_those_of_this_process(whole, tmp_path, sees):
    engine, watch = Posted(sees), Watch()
    made = audit("digits-lenet", "digits", tmp_path, engine=engine, watch=watch, **ASKED)
    assert rows(made) == rows(whole)
    assert made.manifest.identity == whole.manifest.identity
    assert [one.rows is None for one in engine.sent] == [sees] * 6
    assert watch.images == watch.total == 40
    assert engine.points > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["health.json", "manifest.json", "parts"]


def test_a_worker_searches_as_this_process_does(tmp_path):
    asked = ASKED | {"attacks": ["pgd:steps=3"], "precision": "bf16"}
    engine = Posted()
    made = audit("digits-lenet", "digits", tmp_path / "posted", engine=engine, **asked)
    assert engine.recipe.asked.effort.precision == made.manifest.precision == "bf16"
    assert rows(made) == rows(audit("digits-lenet", "digits", tmp_path / "here", **asked))


def test_a_worker_without_the_folder_keeps_nothing(tmp_path):
    kept = []

    def opened(recipe):
        opens = recipe.open
        object.__setattr__(recipe, "open", lambda mark: kept.append(opens(mark)) or kept[-1])
        return recipe

    audit("digits-lenet", "digits", tmp_path, engine=Posted(False, opened), **ASKED)
    folder = kept[0].work.folder.path
    assert folder != tmp_path
    assert not folder.exists()


def test_a_copy_of_the_run_on_another_machine_is_not_taken_for_the_run(whole, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(whole.path, copy)

    def elsewhere(recipe):
        return AuditRecipe(recipe.asked, recipe.attacks, recipe.manifest, copy, recipe.start, recipe.limits)

    engine = Posted(False, elsewhere)
    audit("digits-lenet", "digits", tmp_path / "run", engine=engine, **ASKED)
    assert all(one.rows for one in engine.sent)


def test_networks_images_and_attacks_may_be_values(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    data = torch.rand(10, 3, 2, 2), torch.arange(10) % 3
    asked = {"attacks": [FGSM()], "eps": 0.1}
    engine = Posted()
    made = audit(network, data, tmp_path / "a", engine=engine, **asked)
    assert rows(made) == rows(audit(network, data, tmp_path / "b", **asked))
    assert [*engine.recipe.carried()] == ["the network", "the images", "attack 1"]


def test_a_worker_that_finds_other_files_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Flatten())\n")

    def edited(recipe):
        text = "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.ReLU())\n"
        (tmp_path / "mine.py").write_text(text)
        return recipe

    data = torch.rand(4, 3, 2, 2), torch.arange(4)
    with pytest.raises(
        RunError, match=r"it is not what the run in .* is of:\n  your code: mine.py was changed\n  network: "
    ):
        audit(
            f"{tmp_path}/mine.py:net", data, tmp_path / "out", engine=Posted(before=edited), attacks=["fgsm"], eps=0.1
        )


def test_the_limits_of_the_caller_hold_in_a_worker(tmp_path):
    seen = []

    def look(recipe):
        seen.append(recipe.limits.pixels)
        return recipe

    with use_limits(pixels=12345):
        audit("digits-lenet", "digits", tmp_path, engine=Posted(before=look), **ASKED)
    assert seen == [12345]


def test_what_a_worker_returns_is_looked_at(whole, tmp_path):
    folder = RunFolder.create(tmp_path, whole.manifest)
    with pytest.raises(RunError, match="is damaged"):
        folder.put_part("fgsm", 0, b"no rows")
    other = whole.part_path("fgsm", 1).read_bytes()
    with pytest.raises(RunError, match="a part of another run"):
        folder.put_part("fgsm", 0, other)
    assert not folder.has_part("fgsm", 0)
