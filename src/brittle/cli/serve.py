"""The command `serve`."""

from contextlib import suppress
from typing import Annotated

import typer

from brittle.cli.options import Fields, FileLimits, Quiet, device_of
from brittle.output import user_prints_aside
from brittle.specs import ModelSpec


def serve(
    model: Annotated[ModelSpec, Fields(without=("defence", "defence_data", "naive", "channel"))],
    host: Annotated[
        str,
        typer.Option(help="The address to listen at. At another one than this anybody who reaches it may ask."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Tell labels and no scores.")] = False,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Most distinct images that are answered; further ones are refused.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...; a GPU by default where there is one.")
    ] = None,
    limits: FileLimits = None,
    quiet: Quiet = False,
) -> None:
    """Let a network answer over HTTP on this machine, for tests and demonstrations, until it is interrupted.

    POST / with an image gives its label and scores, GET /status the counts of queries and of distinct images.

    brittle serve digits-lenet --labels-only --port 8000
    """
    from brittle import terminal
    from brittle.evaluation.serve import serve as serve_network

    with (
        user_prints_aside(),
        serve_network(
            model, host=host, port=port, labels_only=labels_only, budget=budget, device=device_of(device)
        ) as served,
    ):
        if not quiet:
            terminal.say(f"answering at     {served.url}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):  # the way that it is meant to end
            served.wait(terminal.tell if not quiet else None)
