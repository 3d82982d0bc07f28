"""Shards of an audit, and their merge: nothing looks finished before it is, and the whole is an undivided run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from crew_work import rows
from forked import begun, ended, ending, kill
from typer.testing import CliRunner

from brittle import InputError, RunError, assert_robust, audit, compare, merge
from brittle import files as files_module
from brittle.cli import app
from brittle.evaluation.progress import NullProgress
from brittle.report import write_report
from brittle.runs.schema import SCHEMA
from brittle.runs.store import RunFolder

ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 45}
PARTS = 12
pytestmark = pytest.mark.usefixtures("small_parts")
TIMES = ("created", "finished", "command", "notes", "checksum")
"""What of a manifest says when and how a run was made, and that it went on."""


class Notes(NullProgress):
    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, small_parts):
    """Three folders, each of a third; the last one's process was asked in another form."""
    place = tmp_path_factory.mktemp("shards")
    return [audit("digits-lenet", "digits", place / str(n), shard=(n, 3), **ASKED) for n in (1, 2, 3)]


def content(folder):
    """Rows with their pictures, but the times; what the checks found; and the manifest, but when and how."""
    manifest = json.loads((folder.path / "manifest.json").read_text())
    health = json.loads((folder.path / "health.json").read_text())
    return rows(folder), health, {name: value for name, value in manifest.items() if name not in TIMES}


def names_in(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def test_a_shard_leaves_a_run_that_does_not_look_finished(shards, tmp_path):
    notes = Notes()
    left = audit("digits-lenet", "digits", tmp_path, shard="2/3", watch=notes, **ASKED)
    line = "shard 2 of 3: its 4 of 12 parts are done; 8 are left for the others, or `brittle merge`"
    assert notes.lines[-1] == line
    assert left.manifest.status == "running"
    assert left.manifest.shards == ["2/3"]
    assert [left.blocks(key) for key in left.tables()] == [[1, 4], [1, 4]], "each attack is dealt out alike"
    assert names_in(tmp_path)[0] == "manifest.json"
    assert {Path(name).parts[0] for name in names_in(tmp_path)} == {"manifest.json", "parts"}
    assert "not finished" in str(left)


def test_a_share_without_an_image_that_every_attack_has_done_has_no_figures(tmp_path):
    left = audit("digits-lenet", "digits", tmp_path, shard="1/2", **{**ASKED, "max_images": 20})
    assert [left.blocks(key) for key in left.tables()] == [[0, 2], [1]]
    assert "nothing yet" in str(left)
    with pytest.raises(RunError, match="no image that every attack has done yet"):
        write_report(tmp_path)


def test_the_folders_of_shards_are_merged_into_the_run_of_one(whole, shards, tmp_path):
    made = merge(tmp_path / "all", *shards)
    assert content(made) == content(whole)
    assert made.manifest.status == "finished"
    assert names_in(made.path) == names_in(whole.path)
    assert all(shard.manifest.status == "running" for shard in shards), "what is merged stays as it is"
    written = (made.path / "manifest.json").read_bytes()
    assert content(merge(made.path, *shards)) == content(whole)
    assert len((made.path / "manifest.json").read_bytes()) >= len(written)


def test_shards_on_one_folder_finish_it(whole, tmp_path):
    copies = [
        begun(lambda number=number: audit("digits-lenet", "digits", tmp_path, shard=(number, 2), **ASKED))
        for number in (1, 2)
    ]
    assert [ended(copy) for copy in copies] == [0, 0]
    folder = RunFolder.open(tmp_path)
    if folder.manifest.status == "running":  # where the first was done before the second began, and nobody was left
        folder = audit("digits-lenet", "digits", tmp_path, **ASKED)
    assert content(folder) == content(whole)
    assert not (tmp_path / "leases").exists()


def test_the_last_shard_finishes_a_folder_that_others_left(whole, tmp_path):
    for number in (1, 2, 3):
        folder = audit("digits-lenet", "digits", tmp_path, shard=(number, 3), **ASKED)
    assert content(folder) == content(whole)


def test_a_finished_run_that_lost_a_part_is_unfinished_until_it_is_there_again(whole, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(whole.path, path)
    lost = next((path / "parts").rglob("000001.parquet"))
    lost.unlink()
    left = audit("digits-lenet", "digits", path, shard="1/2", **ASKED)
    assert (left.manifest.status, (path / "health.json").exists()) == ("running", False)
    assert content(audit("digits-lenet", "digits", path, shard="2/2", **ASKED)) == content(whole)


def test_parts_in_several_folders_must_be_the_same(whole, shards, tmp_path):
    made = merge(tmp_path / "all", whole, *shards)
    assert content(made) == content(whole), "pictures of which a shard kept more are no contradiction"
    path = tmp_path / "other"
    shutil.copytree(shards[0].path, path)
    other = RunFolder.open(path)
    table = other.part("fgsm", 0, None)
    place = SCHEMA.get_field_index("linf")
    other.write_part("fgsm", 0, table.set_column(place, SCHEMA.field("linf"), table["l2"]))
    with pytest.raises(RunError, match=r"000000.parquet and \S+000000.parquet hold different rows of the same part"):
        merge(tmp_path / "none", *shards, other)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((0, 2), r"^4 of 12 parts .* \(noise_draws=2-000001, .*, \.\.\.\): shard 2/3 not among them"),
        ((1,), r"^8 of 12 parts .*: shards 1/3, 3/3 not among them"),
    ],
)
def test_missing_shards_are_named_and_nothing_is_written(shards, tmp_path, chosen, message):
    with pytest.raises(RunError, match=message):
        merge(tmp_path / "none", *(shards[number] for number in chosen))
    assert not (tmp_path / "none").exists()


def test_divisions_that_do_not_add_up_are_named(shards, tmp_path):
    half = audit("digits-lenet", "digits", tmp_path / "half", shard="1/2", **ASKED)
    with pytest.raises(RunError, match=r"divisions by 2 and 3 \(\S+ of 1/3, \S+ of 1/2\), which do not add up"):
        merge(tmp_path / "none", shards[0], half)


def test_shards_of_another_run_are_named_by_what_differs(shards, tmp_path):
    other = audit("digits-lenet", "digits", tmp_path / "other", shard="2/3", seed=1, **ASKED)
    with pytest.raises(RunError, match=r"(?s)hold different runs.*\n  seed: 0, now 1$"):
        merge(tmp_path / "none", shards[0], other)
    with pytest.raises(RunError, match=r"(?s)holds another run.*\n  seed: 1, now 0$"):
        audit("digits-lenet", "digits", tmp_path / "other", shard="2/3", **ASKED)


def test_folders_that_cannot_be_merged_are_refused(shards, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(RunError, match="holds other files"):
        merge(tmp_path / "full", *shards)
    with pytest.raises(RunError, match=r"no manifest\.json"):
        merge(tmp_path / "none", shards[0], tmp_path / "full")
    with pytest.raises(InputError, match="is among the folders"):
        merge(shards[1].path, *shards)
    with pytest.raises(
        InputError, match=r"comes first and so is taken for OUT, .* itself that of shard 1/3; give a new"
    ):
        merge(*(shard.path for shard in shards))
    with pytest.raises(InputError, match="no run folder is given"):
        merge(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_merge_that_is_killed_goes_on(whole, shards, tmp_path):
    def dies():
        def at_once(path, data):
            if path.name == "000003.parquet":
                kill()
            before(path, data)

        before, files_module._replace = files_module._replace, at_once
        merge(tmp_path / "all", *shards)

    assert ending(dies) < 0
    assert RunFolder.open(str(tmp_path / "all")).manifest.status == "running"
    assert content(merge(tmp_path / "all", *shards)) == content(whole)


def test_a_network_without_words_leaves_a_run_that_the_same_audit_finishes(tmp_path):
    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))

    data = (torch.rand(20, 1, 2, 2), torch.randint(2, (20,)))
    asked = {"attacks": ["fgsm"], "eps": 0.1}
    shards = [audit(network(), data, tmp_path / str(n), shard=(n, 2), **asked) for n in (1, 2)]
    with pytest.raises(RunError, match=r"all parts of the run are in \S+all, and its checks could not be made: "):
        merge(tmp_path / "all", *shards)
    assert RunFolder.open(tmp_path / "all").manifest.status == "running"
    times = [one.stat().st_mtime_ns for one in (tmp_path / "all" / "parts").rglob("*.parquet")]
    assert audit(network(), data, tmp_path / "all", **asked).manifest.status == "finished"
    assert times == [one.stat().st_mtime_ns for one in (tmp_path / "all" / "parts").rglob("*.parquet")]


def test_a_share_proves_nothing_robust():
    with pytest.raises(InputError, match="a share of an audit shows nothing"):
        assert_robust("digits-lenet", "digits", at_least=0.1, shard="1/2")


LINE = "audit digits-lenet --data digits --max-images 20 --attack fgsm --eps 0.1 --device cpu"


def invoked(line):
    return CliRunner().invoke(app, line.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--shard 3/2", "the shard is 3/2"),
        ("--shard 1/2 --fail-under 0.1", r"fail_under is given, which does nothing with --shard.*brittle merge"),
        ("--shard 1/2 --junit a.xml", "junit is given, which does nothing with --shard"),
        ("--shard 1/2 --defence jpeg", "shard is given, which does nothing with --defence"),
        ("--shard 1/2 --task depth", "shard is given, which does nothing with --task depth"),
    ],
)
def test_the_command_refuses_what_a_shard_cannot_do(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, f"{LINE} {options}".split(), catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few_checks")
def test_the_commands_print_a_share_as_a_share_and_the_whole_as_an_audit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = json.loads(invoked(f"{LINE} --shard 1/2 --out a --json").stdout)
    assert {name: first[name] for name in ("kind", "shard", "parts", "done", "left")} == {
        "kind": "shard",
        "shard": "1/2",
        "parts": 3,
        "done": 2,
        "left": 1,
    }
    assert names_in(tmp_path / "a")[0] == "manifest.json"
    assert "report.html" not in names_in(tmp_path / "a")
    second = invoked(f"{LINE} --shard 2/2 --out b")
    assert (second.exit_code, second.stdout) == (0, "")
    made = invoked("merge all a b --json --fail-under 0.99")
    assert made.exit_code == 1
    assert json.loads(made.stdout)["kind"] == "audit"
    assert (tmp_path / "all" / "report.html").exists()


def test_a_threat_of_ones_own_is_opened_again(tmp_path):
    (tmp_path / "half.py").write_text(
        "from typing import ClassVar\n"
        "import brittle\n"
        "class Half(brittle.Threat):\n"
        "    name: ClassVar[str] = 'half'\n"
        "    def size(self, clean, moved):\n"
        "        return brittle.Lp('inf').size(clean, moved) / 2\n"
        "    def project(self, clean, moved):\n"
        "        return brittle.Lp('inf', 2 * self.radius).project(clean, moved)\n"
        "    def draw(self, clean, streams, ids, bounds):\n"
        "        return brittle.Lp('inf', 2 * self.radius).draw(clean, streams, ids, bounds)\n"
        "    def max_size(self, clean, bounds):\n"
        "        return brittle.Lp('inf').max_size(clean, bounds) / 2\n"
        "class Grey(brittle.Attack):\n"
        "    '''Move towards grey.'''\n"
        "    name, threats = 'grey', ('half',)\n"
        "    def perturb(self, problem):\n"
        "        problem.probe(problem.threat.project(problem.images, problem.images * 0 + 0.5), graph=False)\n"
    )
    asked = {"attacks": [f"{tmp_path}/half.py:Grey"], "norm": f"{tmp_path}/half.py:Half", "eps": 0.05, "max_images": 8}
    parts = [audit("digits-lenet", "digits", tmp_path / str(n), shard=(n, 2), **asked) for n in (1, 2)]
    assert parts[0].manifest.threat.spec == asked["norm"]
    whole = merge(tmp_path / "whole", *parts)
    assert whole.manifest.status == "finished"
    assert rows(whole) == rows(audit("digits-lenet", "digits", tmp_path / "undivided", **asked))
    (tmp_path / "half.py").write_text((tmp_path / "half.py").read_text().replace("/ 2", "/ 4").replace("2 *", "4 *"))
    changed = audit("digits-lenet", "digits", tmp_path / "changed", **asked)
    with pytest.raises(RunError, match="code of threat and attacks"):
        compare(whole, changed)
