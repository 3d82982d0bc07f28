"""Run folders at addresses: the rows of a local run, gone on with, read, joined, and shown."""

import json

import fsspec
import pytest
from crew_work import Watch, rows
from frail import Frail
from typer.testing import CliRunner

import brittle
from brittle.cli import app
from brittle.engine.process_engine import ProcessEngine
from brittle.errors import InputError, RunError
from brittle.evaluation.corrupt import corrupt
from brittle.processes import child
from brittle.remote import asking
from brittle.runs.store import RunFolder

ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 100}
PARTS = {f"parts/{key}/00000{block}.parquet" for key in ("noise_draws=2", "fgsm") for block in (0, 1)}
pytestmark = pytest.mark.usefixtures("few_checks")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return brittle.audit("digits-lenet", "digits", tmp_path_factory.mktemp("whole"), **ASKED)


@pytest.fixture(autouse=True)
def afresh(monkeypatch, tmp_path):
    for system in (fsspec.filesystem("memory"), Frail()):
        system.store.clear()
        system.pseudo_dirs[:] = [""]
    for name, value in (("errors", []), ("fails", ""), ("listed", []), ("fetched", [])):
        monkeypatch.setattr(Frail, name, value)
    monkeypatch.setattr(asking, "PAUSES", (0.0,))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def audit(address, **more):
    return brittle.audit("digits-lenet", "digits", address, **{**ASKED, **more})


def names(system, folder):
    return {name.removeprefix(f"{folder}/") for name in system.find(folder)}


def seconds(address):
    """How long each image took, which is another time when it is done anew."""
    return {key: table["seconds"].to_pylist() for key, table in RunFolder.open(address).tables().items()}


def test_a_run_at_an_address_is_that_on_a_disk(whole, tmp_path):
    made = audit("memory://bucket/run")
    assert rows(made) == rows(whole)
    assert made.manifest.identity == whole.manifest.identity
    assert names(fsspec.filesystem("memory"), "/bucket/run") == PARTS | {"manifest.json", "health.json"}
    opened = RunFolder.open("memory://bucket/run")
    assert opened.manifest.status == "finished"
    assert opened.health() == made.health()
    assert "folder           memory://bucket/run" in str(made)
    copies = [made.path, opened.path]
    del made, opened
    assert not [copy for copy in copies if copy.exists()]
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("brittle-remote")]


def test_an_interrupted_run_goes_on_and_does_nothing_anew(whole):
    with pytest.raises(KeyboardInterrupt):
        audit("memory://bucket/run", watch=Watch(2))
    before = seconds("memory://bucket/run")
    assert 0 < sum(map(len, before.values())) < 200
    watch = Watch()
    made = audit("memory://bucket/run", watch=watch)
    assert watch.begun == sum(map(len, before.values()))
    assert rows(made) == rows(whole)
    after = seconds("memory://bucket/run")
    assert all(after[key][: len(took)] == took for key, took in before.items())


def test_a_network_that_fails_stops_with_what_stands_and_the_same_call_goes_on(whole):
    Frail.errors, Frail.fails = [OSError("connection reset")] * 2, "fgsm/000001"
    with pytest.raises(RunError, match=r"^frail://run cannot be written to \(OSError: connection reset\); .* goes on"):
        audit("frail://run")
    assert names(Frail(), "/run") == (PARTS - {"parts/fgsm/000001.parquet"}) | {"manifest.json"}
    watch = Watch()
    made = audit("frail://run", watch=watch)
    assert watch.begun == 164
    assert rows(made) == rows(whole)
    assert not [name for name in Frail().find("") if "/." in name]


def test_denied_access_is_told_before_any_work():
    class Denied(Frail):
        protocol = "denied"

        def pipe_file(self, path, value, **kwargs):
            raise PermissionError("AccessDenied")

    fsspec.register_implementation("denied", Denied, clobber=True)
    watch = Watch()
    with pytest.raises(RunError, match=r"^denied://bucket/run cannot be written to: access is denied"):
        audit("denied://bucket/run", watch=watch)
    assert watch.total == 0


def test_workers_in_other_processes_give_their_rows_to_the_one_that_writes(whole, monkeypatch):
    monkeypatch.setattr(child, "START", "fork")
    made = audit("memory://bucket/run", engine=ProcessEngine(1))
    assert rows(made) == rows(whole)
    assert names(fsspec.filesystem("memory"), "/bucket/run") == PARTS | {"manifest.json", "health.json"}


def test_another_run_there_is_told_by_its_address():
    audit("memory://bucket/run", shard="1/2")
    with pytest.raises(RunError, match="memory://bucket/run") as raised:
        audit("memory://bucket/run", eps=0.2)
    assert "brittle-remote" not in str(raised.value)


def test_shards_join_through_a_bucket(whole):
    for one in (1, 2):
        audit(f"memory://bucket/{one}", shard=(one, 2))
    made = brittle.merge("memory://bucket/whole", "memory://bucket/1", "memory://bucket/2")
    assert made.manifest.status == "finished"
    assert rows(made) == rows(whole)
    assert names(fsspec.filesystem("memory"), "/bucket/whole") >= PARTS
    with pytest.raises(InputError, match="memory://bucket/1 is given twice"):
        brittle.merge("memory://bucket/other", "memory://bucket/1", "memory://bucket/1")


def test_shards_one_after_the_other_finish_one_folder(whole):
    assert audit("memory://bucket/run", shard="1/2").manifest.status == "running"
    made = audit("memory://bucket/run", shard="2/2")
    assert made.manifest.status == "finished"
    assert rows(made) == rows(whole)


def test_runs_at_addresses_are_reported_compared_and_ranked(whole):
    audit("memory://bucket/old")
    audit("memory://bucket/new", seed=1)
    there, command = fsspec.filesystem("memory"), CliRunner()
    said = command.invoke(app, ["report", "memory://bucket/old"])
    assert (said.exit_code, said.stdout) == (0, "memory://bucket/old/report.html\n")
    assert there.cat("/bucket/old/report.html").startswith(b"<!doctype html>")
    out = ["--out", "frail://bucket/cmp", "--json", "--pictures", "0"]
    said = command.invoke(app, ["compare", "memory://bucket/old", "memory://bucket/new", *out])
    printed = json.loads(said.stdout)
    assert printed["report"] == "frail://bucket/cmp/report.html"
    assert [one["name"] for one in printed["audits"]] == ["old", "new"]
    assert names(Frail(), "/bucket/cmp") == {"comparison.json", "report.html"}
    board = brittle.leaderboard("memory://bucket/old", "memory://bucket/new", out="memory://bucket/board")
    assert {one.run for one in board.tables[0].rows} == {"old", "new"}
    assert brittle.write_report("memory://bucket/board") == "memory://bucket/board/report.html"


def test_the_command_prints_addresses_alone(whole):
    words = ["audit", "digits-lenet", "--data", "digits", "--attack", "fgsm", "--eps", "0.1", "--max-images", "64"]
    said = CliRunner().invoke(app, [*words, "--out", "frail://bucket/run"])
    assert said.exit_code == 0
    assert "frail://bucket/run/report.html" in said.stderr
    assert "brittle-remote" not in said.output


def test_what_would_lie_in_the_memory_of_a_command_is_refused():
    words = ["audit", "digits-lenet", "--data", "digits", "--attack", "fgsm", "--eps", "0.1", "--max-images", "20"]
    said = CliRunner().invoke(app, [*words, "--out", "memory://bucket/run"])
    assert isinstance(said.exception, InputError)
    assert str(said.exception).startswith("memory://bucket/run lies in the memory of this process, and goes with it")
    assert not fsspec.filesystem("memory").find("")


def test_junit_of_a_comparison_is_sent_to_the_command_that_makes_it(tmp_path, whole):
    out = tmp_path / "compared"
    audit("memory://bucket/new", seed=1)
    brittle.compare(whole.path, "memory://bucket/new", out=out, pictures=0)
    said = CliRunner().invoke(app, ["report", str(out), "--junit", str(tmp_path / "a.xml")])
    assert isinstance(said.exception, RunError)
    assert "is the folder of a comparison and no audit; give the words of `brittle compare`" in str(said.exception)
    assert not (tmp_path / "a.xml").exists()


def test_a_command_is_given_again_with_its_files_for_machines(tmp_path):
    words = [
        "audit",
        "digits-lenet",
        "--data",
        "digits",
        "--attack",
        "fgsm",
        "--eps",
        "0.1",
        "--max-images",
        "20",
        "-q",
    ]
    files = ["--junit", str(tmp_path / "run.xml")]
    for _ in range(2):
        assert CliRunner().invoke(app, [*words, *files, "--out", "frail://bucket/run"]).exit_code == 0
    other = CliRunner().invoke(app, [*words, *files, "--out", "frail://bucket/other"])
    assert isinstance(other.exception, RunError)


def test_both_audits_of_a_defended_network_lie_there():
    asked = {"defence": "bit-depth:bits=2", "attacks": ["fgsm"], "eps": 0.1, "max_images": 20}
    both = brittle.audit_defence("digits-lenet", "digits", "memory://bucket/both", **asked)
    there = names(fsspec.filesystem("memory"), "/bucket/both")
    assert {f"{one}/manifest.json" for one in ("naive", "adaptive")} <= there
    assert any(name.startswith("pictures/") for name in there)
    adaptive = both.adaptive
    del both
    assert adaptive.table("fgsm").num_rows == 20
    said = CliRunner().invoke(app, ["report", "memory://bucket/both"])
    assert said.stdout == "memory://bucket/both/report.html\n"
    with pytest.raises(RunError, match="memory://bucket/both/adaptive, which counts"):
        brittle.leaderboard("memory://bucket/both")


def test_commands_without_addresses_say_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"^'s3:/bucket/corrupted' is read as a path, .* would be s3://bucket/corrupted; "
    ):
        corrupt("digits-lenet", "digits", "s3://bucket/corrupted")
    assert not [*tmp_path.iterdir()]
