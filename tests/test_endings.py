"""How a command ends before its time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from forked import begun, ended

from brittle import cli
from brittle.endings import interruptions


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_in_one_line_with_130(number, monkeypatch, tmp_path):
    def works(what):
        a = torch.rand(400, 400)
        print("working", flush=True)
        while True:
            a = a @ a / a.norm()

    monkeypatch.setattr("brittle.listing.listing", works)
    monkeypatch.setattr(sys, "argv", ["brittle", "list"])
    out, err = tmp_path / "stdout", tmp_path / "stderr"
    command, ends = begun(cli.main, out=out, err=err), time.monotonic() + 60
    while not (out.exists() and out.read_text()) and time.monotonic() < ends:
        time.sleep(0.01)
    os.kill(command, number)
    assert ended(command) == 130
    assert out.read_text() == "working\n"
    assert err.read_text() == "error: interrupted; the same command goes on where it stopped\n"


def test_ctrl_c_while_torch_is_imported_ends_a_command_in_one_line_with_130(tmp_path: Path, monkeypatch):
    (tmp_path / "torch.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(cli.__file__).parents[2]}")

    def heard():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    words = [sys.executable, "-m", "brittle", "list"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard) as process:
        try:
            assert process.stdout.readline() == b"importing\n"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert said.decode() == "error: interrupted; the same command goes on where it stopped\n"


def test_an_interruption_that_python_drops_is_raised_again():
    class Tidied:
        def __del__(self):
            raise KeyboardInterrupt

    def work():
        Tidied()
        time.sleep(30)

    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interruptions():
        work()
    assert sys.unraisablehook is hook


def test_what_nobody_foresaw_leaves_its_traceback_in_a_file(monkeypatch, capsys, tmp_path):
    def fails(*_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("brittle.listing.listing", fails)
    monkeypatch.setattr(sys, "argv", ["brittle", "list"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 70
    (kept,) = Path(tmp_path).iterdir()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"unexpected RuntimeError: two lines; where it came from is written to {kept}" in said
    assert "in fails" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_debug_shows_the_traceback_and_ends_with_70_too(monkeypatch, capsys, tmp_path):
    def fails(*_):
        raise RuntimeError("odd")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("brittle.listing.listing", fails)
    monkeypatch.setattr(sys, "argv", ["brittle", "--debug", "list"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 70
    assert "in fails" in capsys.readouterr().err


def test_where_no_file_can_be_written_that_is_said(monkeypatch, capsys, tmp_path):
    def fails(*_):
        raise RuntimeError("odd")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr("brittle.listing.listing", fails)
    monkeypatch.setattr(sys, "argv", ["brittle", "list"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "no file could be written" in capsys.readouterr().err
