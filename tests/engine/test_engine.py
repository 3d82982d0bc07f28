"""Two processes on one folder: they share its parts, a dead one's are taken over, and the bytes are those of one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brittle.engine import lease as leasing
from brittle.engine.engine import LocalEngine, ignore_part
from brittle.engine.lease import STALE, lease
from brittle.errors import RunError
from brittle.files import write_atomically

COUNT = 12


class Square:
    """Writes the square of its number, and who did it into a log."""

    def __init__(self, folder, number, pause=0.0, hang=False):
        self.folder, self.number, self.pause, self.hang = folder, number, pause, hang

    @property
    def name(self):
        return f"{self.number:02d}"

    @property
    def turn(self):
        return self.number

    def done(self):
        return (self.folder / "parts" / self.name).is_file()

    def do(self):
        with (self.folder / "log").open("a") as log:
            log.write(f"{self.number} {os.getpid()}\n")
        while self.hang:
            time.sleep(0.01)
        time.sleep(self.pause)
        write_atomically(self.folder / "parts" / self.name, str(self.number**2).encode())


def run(folder, parts, elsewhere=ignore_part):
    return LocalEngine().run(parts, folder / "leases", elsewhere)


def results(folder):
    """What is finished; what another process is writing has a name that begins with a dot, and may be gone at once."""
    found = [path for path in (folder / "parts").iterdir() if not path.name.startswith(".")]
    return {path.name: path.read_bytes() for path in found}


def log(folder):
    return [tuple(map(int, line.split())) for line in (folder / "log").read_text().splitlines()]


def process(folder, **how):
    """Another process that does the same parts in the same folder."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nfrom test_engine import COUNT, Square, run\n"
        f"folder = Path({str(folder)!r})\n"
        f"run(folder, [Square(folder, number, **{how!r}) for number in range(COUNT)])\n"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def until(true, seconds=60):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "nothing happened"
        time.sleep(0.01)


def wanted():
    return {f"{number:02d}": str(number**2).encode() for number in range(COUNT)}


def test_two_processes_share_the_parts_of_a_folder(tmp_path):
    both = [process(tmp_path, pause=0.2), process(tmp_path, pause=0.2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert results(tmp_path) == wanted()
    numbers = sorted(number for number, _ in log(tmp_path))
    assert numbers == [*range(COUNT)], "every part is done, and none twice"
    assert not (tmp_path / "leases").exists()


def test_the_part_of_a_killed_process_is_taken_over(tmp_path):
    other = process(tmp_path, hang=True)
    try:
        until(lambda: (tmp_path / "log").exists() and log(tmp_path))
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert [path.name for path in (tmp_path / "leases").iterdir()] == ["00.lease"]
    assert run(tmp_path, [Square(tmp_path, number) for number in range(COUNT)]) == COUNT
    assert results(tmp_path) == wanted()
    assert not (tmp_path / "leases").exists()


def test_what_a_living_process_has_claimed_is_left_to_it(tmp_path):
    with lease(tmp_path / "a.lease") as mine:
        code = (
            "import sys\nfrom pathlib import Path\nfrom brittle.engine.lease import lease\n"
            "with lease(Path(sys.argv[1])) as mine:\n    sys.exit(int(mine))"
        )
        assert mine
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.lease")], check=False).returncode == 0


@pytest.mark.parametrize(("age", "taken"), [(STALE / 2, False), (STALE * 2, True)])
@pytest.mark.parametrize("words", ["", "another machine"])
def test_a_lease_of_another_machine_is_taken_over_once_it_is_stale(tmp_path, age, taken, words):
    path = tmp_path / "a.lease"
    path.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid(), "since": 0, "thread": 0}) if words else "")
    os.utime(path, (time.time() - age,) * 2)
    with lease(path) as mine:
        assert mine == taken
    assert path.exists() != taken


def test_a_lease_is_renewed_while_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(leasing, "RENEW", 0.01)
    path = tmp_path / "a.lease"
    with lease(path):
        os.utime(path, (0, 0))
        until(lambda: path.stat().st_mtime > 0)


def test_who_was_taken_over_leaves_the_lease_of_the_taker(tmp_path):
    path = tmp_path / "a.lease"
    with lease(path) as mine:
        assert mine
        path.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": 1, "thread": 1}))
    assert path.exists()


def test_a_part_that_fails_lets_go_of_its_lease(tmp_path):
    class Fails(Square):
        def do(self):
            raise RunError("no")

    with pytest.raises(RunError, match="no"):
        run(tmp_path, [Fails(tmp_path, 0)])
    assert not (tmp_path / "leases").exists()
    assert run(tmp_path, [Square(tmp_path, 0)]) == 1
