"""The command `merge`, which is a gate as well."""

from pathlib import Path
from typing import Annotated

import typer

from brittle.addresses import path_or_address
from brittle.cli.audited import Ending, FailUnder, IgnoreHealth, Thorough, close
from brittle.cli.options import FileLimits, Force, Json, Junit, Quiet, Sarif, Title
from brittle.output import user_prints_aside


def merge(
    out: Annotated[
        Path,
        typer.Argument(
            parser=path_or_address, metavar="OUT", help="The folder of the whole run; new, or that of an earlier call."
        ),
    ],
    run: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_address,
            metavar="RUN...",
            help="The run folders of the shards, or their addresses, see `brittle audit --shard`.",
        ),
    ],
    thorough: Thorough = False,
    fail_under: FailUnder = None,
    ignore_health: IgnoreHealth = False,
    junit: Junit = None,
    sarif: Sarif = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Join the folders of the shards of an audit into one finished run, and write its report.

    The network and the images must open here by the words of the audit: the checks of the evaluation ask them.

    brittle audit digits-lenet --data digits --eps 0.1 --shard 1/2 --out runs/first

    brittle audit digits-lenet --data digits --eps 0.1 --shard 2/2 --out runs/second

    brittle merge runs/whole runs/first runs/second
    """
    from brittle.bars import Bar
    from brittle.evaluation.merge import merge as merged
    from brittle.report.result_files import ResultFiles

    ending, files = Ending(fail_under, ignore_health, quiet, json), ResultFiles(out, junit, sarif, force)
    files.check()
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        whole = merged(out, *run, thorough=thorough, force=force, watch=bar)
        made = ending.paged(whole, title)
    close(ending.show(made), out, files, silent=ending.silent)
