"""A hook of mkdocs: a page for each command, made of what the command line itself says of it."""

import html
import re
from dataclasses import dataclass
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from brittle.cli import app

FOLDER = "commands"
GUIDES = {
    "apply": "universal.md",
    "attack": "results.md",
    "audit": "audit.md",
    "compare": "compare.md",
    "corrupt": "physical.md",
    "demo": "install.md",
    "leaderboard": "compare.md",
    "list": "attacks.md",
    "merge": "cluster.md",
    "photograph": "physical.md",
    "report": "report.md",
    "serve": "substitute.md",
    "study": "studies.md",
    "substitute": "substitute.md",
    "train": "training.md",
    "universal": "universal.md",
}
"""The page that tells more of each command."""


@dataclass(frozen=True)
class Command:
    """What is said of a command: its sentence, what follows it, lines that can be typed, and its options."""

    name: str
    usage: str
    sentence: str
    paragraphs: list[str]
    examples: list[str]
    rows: list[tuple[str, str]]


def commands() -> list[Command]:
    """Return what typer knows of every command, by name."""
    group = typer.main.get_command(app)
    return [described(name, command) for name, command in sorted(vars(group)["commands"].items())]


def described(name: str, command: Any) -> Command:
    """Read a command's help, its arguments and its options."""
    context = command.make_context(name, [], resilient_parsing=True)
    blocks = [" ".join(one.split()) for one in re.split(r"\n\s*\n", command.help or "") if one.strip()]
    examples = [one for one in blocks if one.startswith("brittle ")]
    said = [one for one in blocks if one not in examples] or [""]
    usage = " ".join(["brittle", name, *command.collect_usage_pieces(context)])
    records = [one.get_help_record(context) for one in command.get_params(context)]
    rows = [(" ".join(left.split()), " ".join(right.split())) for left, right in filter(None, records)]
    return Command(name, usage, said[0], said[1:], examples, rows)


def page(command: Command) -> str:
    """Return a command's page."""
    table = [f"| `{left.replace('|', chr(92) + '|')}` | {escaped(right)} |" for left, right in command.rows]
    parts = [
        f"# brittle {command.name}",
        escaped(command.sentence),
        *map(escaped, command.paragraphs),
        "```console\n" + "\n".join(f"$ {one}" for one in command.examples) + "\n```",
        f"More of it: [the guide](../{GUIDES[command.name]}).",
        "## Arguments and options",
        f"```text\n{command.usage}\n```",
        "| | |\n| --- | --- |\n" + "\n".join(table),
    ]
    return "\n\n".join(parts) + "\n"


def overview(every: list[Command]) -> str:
    """Return the page of all commands."""
    rows = [f"| [`{one.name}`]({one.name}.md) | {escaped(one.sentence)} |" for one in every]
    return (
        "# Commands\n\nThese pages are made of what `brittle COMMAND --help` prints. `brittle --version` says the "
        "version, and `brittle --debug COMMAND` shows where an unexpected error came from.\n\n"
        "| | |\n| --- | --- |\n" + "\n".join(rows) + "\n"
    )


def escaped(text: str) -> str:
    """Return text in which nothing is Markdown or HTML, in one cell of a table."""
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text, quote=False))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, before the reference."""
    pages: list[Any] = [{"All commands": f"{FOLDER}/index.md"}]
    pages += [{one.name: f"{FOLDER}/{one.name}.md"} for one in commands()]
    nav: list[Any] = list(config.nav or [])
    place = next((at for at, one in enumerate(nav) if "Reference" in one), len(nav))
    config.nav = [*nav[:place], {"Commands": pages}, *nav[place:]]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that lie in the folder."""
    every = commands()
    files.append(File.generated(config, f"{FOLDER}/index.md", content=overview(every)))
    for one in every:
        files.append(File.generated(config, f"{FOLDER}/{one.name}.md", content=page(one)))
    return files
