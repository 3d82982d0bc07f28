"""How processes of this machine become a team: each is begun, gets what it needs, and meets the others."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Generator, Mapping
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from brittle.errors import BrittleError, InputError, RunError, quoted
from brittle.plugins.user_file import files_run, run_again
from brittle.processes import child
from brittle.processes.child import UNGUARDED, end_with_parent, portable_error, reason_of
from brittle.processes.memory import keep_freed_memory
from brittle.processes.team import Team

JOINING = timedelta(minutes=1)
"""How long one waits until all have met: each was ready just before."""
PATIENCE = timedelta(days=1)
"""How long one waits for the others: the first may measure something between steps. The dead are noticed at once."""
APART = "define what is yours (a network, an optimiser, a method) at the top level of a file, or leave workers out"
"""What lets another process know it."""
TENSORS = "tensors.pt"
"""The file of the large tensors."""


class Member(Protocol):
    """What every process but the first does; it is pickled, without the large tensors."""

    def work(self, team: Team, tensors: Mapping[str, Tensor]) -> None:
        """Go in step with the first, until that says that it is over."""
        ...


def refuse(member: Member, workers: int, device: torch.device) -> None:
    """Refuse what `gathered` would, before anything is begun or written.

    Raises:
        InputError: what the others need cannot be sent, there are fewer GPUs, or this process is of another group.
    """
    if workers > 1:
        _devices(device, workers)
        _pickled(member)


@contextlib.contextmanager
def gathered(member: Member, tensors: Mapping[str, Tensor], workers: int, device: torch.device) -> Generator[Team]:
    """Have so many processes, this one included, do the same in step.

    Args:
        member: what the others do.
        tensors: large ones, by their names, in a file that all of them read.
        workers: how many there are; 1 starts none.
        device: of this one; on GPUs each of the others gets another.

    Yields:
        The team as this process sees it.

    Raises:
        InputError: what the others need cannot be sent, or there are fewer GPUs.
        RunError: one of them cannot begin, or is gone.
    """
    if workers == 1:
        yield Team(device=device)
        return
    devices = _devices(device, workers)
    with tempfile.TemporaryDirectory(prefix="brittle-") as root, _loopback():
        folder = Path(root)
        content = _pickled(member)
        _write(tensors, folder / TENSORS)
        context = multiprocessing.get_context(child.START)
        lines, processes = list[Connection](), list[Any]()
        try:
            for rank in range(1, workers):
                ours, theirs = context.Pipe()
                given = theirs, folder, rank, devices, torch.get_num_threads()
                process = context.Process(target=_serve, args=given, daemon=True)
                process.start()
                processes.append(process)
                theirs.close()
                lines.append(ours)
            for line in lines:
                with contextlib.suppress(OSError):  # one that is gone already is told of below
                    line.send(files_run())
                    line.send_bytes(content)
            for line in lines:
                _await(line)
            with contextlib.suppress(OSError):  # all have it open; nothing large stays where this process is killed
                (folder / TENSORS).unlink()
            with _joined(folder, 0, devices) as group:
                yield Team(0, workers, device, group, lines)
        finally:
            for process in processes:
                process.kill()
                process.join()
            for line in lines:
                line.close()


def _devices(device: torch.device, workers: int) -> list[torch.device]:
    """Return the device of each, the first one's first, where there can be so many of this process's own group."""
    if torch.distributed.is_initialized():
        raise InputError(
            "workers is given in a process that belongs to a group of torch.distributed; leave one of them out"
        )
    if device.type != "cuda":
        return [device] * workers
    count, own = torch.cuda.device_count(), device.index or 0
    if workers > count:
        raise InputError(f"workers is {workers}, and there are {count} GPUs; expected one for each at most")
    return [torch.device("cuda", (own + rank) % count) for rank in range(workers)]


def _pickled(member: Member) -> bytes:
    try:
        return pickle.dumps(member)
    except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"what is shared cannot be sent to other processes: {reason_of(error)}; {APART}") from error


def _received(line: Connection) -> Member:
    try:
        return line.recv()
    except Exception as error:
        said = f"{type(error).__name__}: {quoted(error, 200)}"
        raise InputError(f"what is shared cannot be made in another process ({said}); {APART}") from error


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        torch.save({name: tensor.detach().cpu() for name, tensor in tensors.items()}, path)
    except (OSError, RuntimeError) as error:
        raise RunError(
            f"the images cannot be written to {str(path.parent)!r} for the other processes: {quoted(error, 200)}; name "
            "a folder with room in TMPDIR"
        ) from error


def _await(line: Connection) -> None:
    """Wait until one of the others has what it needs."""
    try:
        said = line.recv()
    except (EOFError, OSError) as error:
        raise RunError(UNGUARDED) from error
    if said is not None:
        raise said


@contextlib.contextmanager
def _loopback() -> Generator[None]:
    """Let the processes speak by this machine's own interface, which nobody else hears."""
    own = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    if own is not None:
        os.environ["GLOO_SOCKET_IFNAME"] = own
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
        else:
            os.environ["GLOO_SOCKET_IFNAME"] = before


@contextlib.contextmanager
def _joined(folder: Path, rank: int, devices: list[torch.device]) -> Generator[Any]:
    """Meet the others, and be one of their group of torch.distributed."""
    kind, where = "nccl" if devices[0].type == "cuda" else "gloo", f"file://{folder / 'met'}"
    shown = sys.excepthook
    torch.distributed.init_process_group(kind, where, JOINING, len(devices), rank)
    sys.excepthook = shown  # torch's own writes a rank before every later line of the user's tracebacks
    try:
        yield torch.distributed.new_group(timeout=PATIENCE)
    finally:
        torch.distributed.destroy_process_group()


def _serve(line: Connection, folder: Path, rank: int, devices: list[torch.device], threads: int) -> None:
    """Be one of the others, until the first says that it is over, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first ends the others
    end_with_parent()
    keep_freed_memory()
    torch.set_num_threads(threads)
    try:
        run_again(line.recv())
        member = _received(line)
        tensors = torch.load(folder / TENSORS, mmap=True, weights_only=True)
        line.send(None)
        with _joined(folder, rank, devices) as group:
            member.work(Team(rank, len(devices), devices[rank], group), tensors)
    except Exception as error:
        with contextlib.suppress(OSError):
            line.send(error if isinstance(error, BrittleError) else portable_error(error))
    os._exit(0)  # gloo's threads would be ended as they work, which torch prints of
