"""The command line: every command is one public function of the same name, and prints what it returns."""

import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from brittle.addresses import path_or_address
from brittle.cli.apply import apply
from brittle.cli.attack import attack
from brittle.cli.audit import audit
from brittle.cli.compare import compare
from brittle.cli.corrupt import corrupt
from brittle.cli.leaderboard import leaderboard
from brittle.cli.merge import merge
from brittle.cli.options import FileLimits, Force, Json, Junit, Sarif, Title, device_of, takes_values
from brittle.cli.photograph import photograph
from brittle.cli.serve import serve
from brittle.cli.study import study
from brittle.cli.substitute import substitute
from brittle.cli.train import train
from brittle.cli.universal import universal
from brittle.endings import interruptions, keep_traceback
from brittle.errors import BrittleError, InputError, OwnCodeFailed, quoted
from brittle.evaluation.gate import ExitCode
from brittle.files import check_names, told
from brittle.names import shown
from brittle.older_names import todays_option
from brittle.processes import memory
from brittle.specs import DataSpec, Effort, ModelSpec, Question
from brittle.version import __version__

ONCE = {"--out": "one is written", "--junit": "one is written", "--sarif": "one is written", "--attack": "one is run"}
"""Options of which a command that takes one would pass over all but the last, and what is then lost."""
INTERRUPTED = "interrupted; the same command goes on where it stopped"


class Commands(TyperGroup):
    """The commands, which repeat a word that they do not know as text that a terminal does not obey."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take options by their older names too, with a note, where the command has none of that name today."""
        command = next((self.commands[word] for word in args if word in self.commands), None)
        params = command.params if command else ()
        own, several = ({option for one in some for option in one.opts} for some in (params, filter(_repeats, params)))
        named = [word if word.partition("=")[0] in own else todays_option(word) for word in args]
        for old, new in zip(args, named, strict=True):
            if old != new:
                typer.echo(f"{old.partition('=')[0]} is called {new.partition('=')[0]} now", err=True)
        _check_once(named, several)
        return super().parse_args(ctx, _images_last(named) if "images" in own else named)

    def make_context(self, *words: Any, **extra: Any) -> typer.Context:
        """Read the words before a command."""
        with _shown_errors():
            return cast("typer.Context", super().make_context(*words, **extra))

    def invoke(self, ctx: Any) -> Any:
        """Read the words after it, and run it."""
        memory.keep_freed_memory()
        with _shown_errors():
            return super().invoke(ctx)


def _repeats(param: Any) -> bool:
    return bool(param.multiple)


def _images_last(words: Sequence[str]) -> list[str]:
    """Return a line in which images are named by --data, as for other commands, with their name at the end."""
    for place, word in enumerate(words):
        if word.startswith("--data="):
            return [*words[:place], *words[place + 1 :], word.partition("=")[2]]
        if word == "--data" and len(words) > place + 1 and not words[place + 1].startswith("-"):
            return [*words[:place], *words[place + 2 :], words[place + 1]]
    return [*words]


def _check_once(words: Sequence[str], several: set[str]) -> None:
    """Refuse a file to write or an attack that is named twice, of which the first would be passed over.

    Args:
        words: the line.
        several: the options that the command takes more than once.

    Raises:
        InputError: with the option.
    """
    given = [word.partition("=")[0] for word in words]
    twice = next((option for option in ONCE if option not in several and given.count(option) > 1), None)
    if twice:
        raise InputError(f"{twice} is given {given.count(twice)} times, and {ONCE[twice]}; leave the others out")


@contextmanager
def _shown_errors() -> Generator[None]:
    try:
        yield
    except typer.TyperException as error:
        if isinstance(said := getattr(error, "message", None), str):
            error.message = shown(said)
        raise


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find out how brittle an image classifier is, and how far the number can be trusted.\n\n"
    "Begin with `brittle demo`, then `brittle audit MODEL --data DATA`.",
)


for command in (
    audit,
    merge,
    compare,
    leaderboard,
    attack,
    universal,
    apply,
    photograph,
    corrupt,
    train,
    substitute,
    serve,
    study,
):
    app.command()(takes_values(command))


@app.command()
@takes_values
def report(
    run: Annotated[
        Path,
        typer.Argument(
            parser=path_or_address,
            metavar="RUN",
            help="The folder of an audit, or its address, finished or not, of a study, or of what another command "
            "has made.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file, or a folder for it; by default it lies in or beside PATH.")
    ] = None,
    title: Title = None,
    junit: Junit = None,
    sarif: Sarif = None,
    limits: FileLimits = None,
    force: Force = False,
) -> None:
    """Write the page of what lies on disk: one HTML file that opens without a network.

    brittle report runs/digits

    brittle report runs/digits --out digits.html --junit digits.xml

    brittle report runs/digits --title "Digits, second try"
    """
    from brittle.evaluation.verdicts import verdicts_in
    from brittle.report import write_report
    from brittle.report.result_files import ResultFiles

    check_names(run, *([] if out is None else [out]))
    files = ResultFiles(run, junit, sarif, force)
    files.check()
    if files.asked:
        files.write(verdicts_in(run))
    typer.echo(shown(told(write_report(run, out, force=force, title=title).resolve())))


@app.command("list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="attacks, universal, threats, defences, channels, models, data, checks or studies; all by default."
        ),
    ] = "all",
    json: Json = False,
) -> None:
    """List what there is to choose from, with defaults, and which installed package brings what.

    brittle list attacks
    """
    from brittle import terminal
    from brittle.listing import listing
    from brittle.runs.printed import Origin

    rows = listing(what)
    if json:
        terminal.print_json("list", {"listed": [row.plain() for row in rows]}, Origin())
        return
    terminal.show_listing(rows)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/demo"),
) -> None:
    """Audit the built-in network on the built-in digits, in about half a minute, and say where the report lies.

    brittle demo
    """
    question, effort = Question("linf", radius=0.1), Effort(device=device_of(None))
    audit(ModelSpec("digits-lenet"), DataSpec("digits", max_images=200), question, effort, out)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"brittle {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an unexpected error came from.")] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line and end with one of `ExitCode`, never with 1 but for the gate.

    Errors raised on purpose, and words that are no command, end with their message and 2. SIGTERM ends a command as
    Ctrl-C does; what nobody foresaw leaves its traceback in a file, or with --debug on standard error.
    """
    try:
        with interruptions():
            app()
    except BrittleError as error:
        if isinstance(error, OwnCodeFailed):
            _show_traceback(error)
        _fail(str(error))
        sys.exit(ExitCode.REFUSED)
    except SystemExit as stop:
        if stop.code == ExitCode.INTERRUPTED:  # typer's way to end at Ctrl-C
            _fail(INTERRUPTED)
        raise
    except KeyboardInterrupt:
        _fail(INTERRUPTED)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        _show_traceback(error)
        kept = keep_traceback(error)
        where = f"where it came from is written to {kept}" if kept else "no file could be written to say where"
        _fail(f"unexpected {type(error).__name__}: {quoted(error)}; {where}; `brittle --debug ...` shows it here")
        sys.exit(ExitCode.UNEXPECTED)


def _show_traceback(error: Exception) -> None:
    """Show where an error came from, where the user asked for that."""
    if "--debug" in sys.argv:
        from brittle.bars import console

        console.print("".join(traceback.format_exception(error)), markup=False, soft_wrap=True)


def _fail(message: str) -> None:
    from brittle import terminal

    terminal.fail(message)
