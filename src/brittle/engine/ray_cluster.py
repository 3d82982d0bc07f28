"""The cluster that Ray's workers run on: joined where it is asked for, started and ended where it is not."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from typing import Any

from brittle.engine.share import Share, cores_here, share
from brittle.errors import RunError, quoted
from brittle.plugins.loggers import held_to
from brittle.plugins.optional import optional

KNOCK = 5.0
"""Seconds to find out whether anybody listens at an address."""
ANSWER = 30.0
"""Seconds within which a cluster lets a process join it."""
TRIAL = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); ray.shutdown()"
"""What a process does that only tries."""
SILENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What a cluster that is started here is told: it reports nothing to anybody."""
TOKEN = "it asks for Ray's token; set RAY_AUTH_MODE=token, with the token of its head node in ~/.ray/auth_token"


def share_of(ray: Any, workers: int | None, device: str) -> Share:
    """Return `share` of the cluster that was joined."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return share([(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in resources], workers, device)


@contextlib.contextmanager
def joined(address: str | None, workers: int | None, device: str) -> Generator[Any]:
    """Be part of a cluster: the one that the caller has joined already, the one at the address, or one started here.

    Args:
        address: as of `RayEngine`.
        workers: as many as are to find room on one that is started here.
        device: on which they calculate.

    Yields:
        The package.

    Raises:
        MissingExtra: Ray is not installed.
        RunError: the cluster cannot be reached.
    """
    ray = optional("ray", "cluster", "--engine ray", RunError)
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"configure_logging": False, "log_to_driver": False}
    if address is None:
        cores = max(cores_here(), 1 if workers is None or device.startswith("cuda") else workers)
        quiet |= {"include_dashboard": False, "num_cpus": cores}
    else:
        _reach(address)
    with held_to(logging.ERROR, "ray"):
        try:
            with _silent():
                ray.init(address=address or "local", **quiet)
        except Exception as error:
            ray.shutdown()
            raise RunError(_unreachable(address, quoted(error, 300))) from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _silent() -> Generator[None]:
    """Let what is started report nothing to anybody, whatever the user says later."""
    mine = SILENT.keys() - os.environ.keys()
    os.environ.update({name: SILENT[name] for name in mine})
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]


def _reach(address: str) -> None:
    """Refuse a cluster that does not answer; Ray itself would wait for minutes, and then end the process.

    Another process tries it. (`ray health-check` knows nothing of the token that newer clusters ask for.)
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), KNOCK).close()
        except (OSError, OverflowError) as error:
            raise RunError(_unreachable(address, quoted(error))) from error
    try:
        words = [sys.executable, "-c", TRIAL, address]
        asked = subprocess.run(words, timeout=ANSWER, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunError(_unreachable(address, f"it did not answer within {ANSWER:g} seconds")) from error
    if asked.returncode:
        said = TOKEN if "InvalidAuthToken" in asked.stderr else (asked.stderr.strip() or "no reason").splitlines()[-1]
        raise RunError(_unreachable(address, quoted(said.removeprefix("ConnectionError: "), 300)))


def _unreachable(address: str | None, reason: str) -> str:
    if address is None:
        return f"Ray's workers cannot be started on this machine: {reason}"
    return (
        f"the cluster at {address!r} cannot be reached: {reason}. Start one with `ray start --head` on one machine and "
        "`ray start --address=HOST:6379` on the others, this one included; or leave the address out"
    )
