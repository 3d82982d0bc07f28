"""The documentation holds: its examples run, its commands exist, every attack and every public name has its place."""

import json
import re
import shlex
import sys
from dataclasses import dataclass
from doctest import DebugRunner, DocTestParser
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import typer
import yaml
from cases import Case
from contract import CLAUSES
from typer.testing import CliRunner

import brittle
from brittle.cli import app
from brittle.evaluation.audit import audit
from brittle.evaluation.spec import parse_attack
from brittle.registry import ATTACKS, COMBINATORS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]
FENCE = re.compile(
    r"^(?:<!-- no run: (?P<reason>.+?) -->\n+)?```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is that of its first line of code."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start("code")), found["language"], found["code"], found["reason"])
        for found in FENCE.finditer(text)
    ]


CONTINUES = "# goes on from the blocks above\n"
"""The first line of a block that does not run when it is pasted alone, and says so."""


def run_blocks(page: Path, most: int | None = None) -> ModuleType:
    """Run a page's Python blocks, each alone unless it says otherwise; tracebacks point into the page.

    Returns:
        A module with the names of all of them.
    """
    together = ModuleType("page_" + re.sub(r"\W", "_", page.stem))
    for block in [block for block in blocks_of(page) if block.language == "python" and block.reason is None][:most]:
        module = ModuleType(f"{together.__name__}_{block.line}")
        sys.modules[module.__name__] = module  # dataclasses and type hints look their module up there
        if block.code.removeprefix(">>> ").startswith(CONTINUES):
            vars(module).update({name: one for name, one in vars(together).items() if not name.startswith("__")})
        if block.code.startswith(">>> "):
            test = DocTestParser().get_doctest(block.code, vars(module), page.stem, str(page), block.line)
            DebugRunner().run(test, clear_globs=False)
        else:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), vars(module))
        vars(together).update({name: one for name, one in vars(module).items() if not name.startswith("__")})
    return together


def commands_of(block: Block) -> list[list[str]]:
    """The words of every `brittle` command line of a block, up to a pipe or a comment."""
    if block.reason is not None or block.language not in ("console", "bash", "sh", "yaml"):
        return []
    lines = re.sub(r"\\\n\s*", " ", block.code).splitlines()
    found = [re.match(r"(?:\$ |\s*- run: )?(brittle .*)", line) for line in lines]
    words = [shlex.split(match[1], comments=True) for match in found if match]
    return [line[1 : line.index("|")] if "|" in line else line[1:] for line in words]


def settings() -> dict:
    class Loader(yaml.SafeLoader):
        """Reads the tags of mkdocs as nothing."""

    Loader.add_multi_constructor("", lambda *_: None)
    return yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)


def leaves(tree: object) -> list[str]:
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    return [leaf for value in tree for leaf in leaves(value)] if isinstance(tree, list) else [str(tree)]


@pytest.fixture(scope="module")
def worked_example() -> type:
    return run_blocks(DOCS / "adding-an-attack.md", most=1).MomentumIterative


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if '"runs/digits"' in page.read_text():
        audit("digits-lenet", "digits", "runs/digits", attacks=["fgsm", "deepfool"], eps=0.1, max_images=20)
    run_blocks(page)


def test_a_broken_example_is_noticed_at_its_line(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\nText.\n\n```python\nmissing\n```\n")
    with pytest.raises(NameError, match="missing") as caught:
        run_blocks(page)
    assert caught.traceback[-1].lineno + 1 == 10


def test_a_block_runs_alone_or_says_that_it_goes_on(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\n" + CONTINUES + "y = x\n```\n")
    assert run_blocks(page).y == 1
    page.write_text(page.read_text().replace(CONTINUES, ""))
    with pytest.raises(NameError, match="'x'"):
        run_blocks(page)


COMMANDS = [(block, words) for page in PAGES for block in blocks_of(page) for words in commands_of(block)]


@pytest.mark.parametrize(
    ("block", "words"), COMMANDS, ids=[f"{block.page.name}-{' '.join(words)}" for block, words in COMMANDS]
)
def test_commands_parse(block: Block, words: list[str]):
    group = typer.main.get_command(app)
    assert words[0] in group.commands, f"{block.page.name}: there is no command {words[0]!r}"
    group.commands[words[0]].make_context(words[0], words[1:])  # unknown options and wrong values raise
    for option, value in pairwise(words):
        if option == "--attack":
            parse_attack(value)


def test_a_command_with_an_unknown_option_is_noticed():
    command = typer.main.get_command(app).commands["audit"]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("audit", ["MODEL", "--data", "digits", "--epsilon", "0.1"])


@pytest.mark.parametrize("name", sorted({words[0] for _, words in COMMANDS}))
def test_commands_have_help(name: str):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output


def test_every_attack_has_its_place():
    page = (DOCS / "attacks.md").read_text()
    for name, kind in ATTACKS.items():
        assert f"| [`{name}`][brittle.{kind.__name__}] |" in page
        assert f"\n::: brittle.{kind.__name__}\n" in page
    for name, kind in COMBINATORS.items():
        assert f"| [`{name}(ATTACK" in page
        assert f"\n::: brittle.{kind.__name__}\n" in page


def test_every_public_name_is_documented_once():
    listed = re.findall(r"^        - (\w+)$", (DOCS / "api.md").read_text(), re.M)
    assert listed == sorted(listed)
    names = ("adaptive.md", "attacks.md", "defences.md", "dense.md", "universal.md")
    pages = "".join((DOCS / name).read_text() for name in names)
    attacks = re.findall(r"^::: brittle\.(\w+)$", pages, re.M)
    assert sorted([*listed, *attacks]) == sorted({*brittle.__all__} - {"__version__"})


def test_every_page_is_in_the_navigation():
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    pages += [f"{notebook.stem}.md" for notebook in NOTEBOOKS]  # docs/notebook_pages.py makes them
    assert sorted(leaves(settings()["nav"])) == sorted(pages)


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_the_cells_of_a_notebook_run(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(code_of(notebook)):
        exec(compile(code, f"{notebook.name}, cell {number}", "exec"), names)
    assert names["result"].success.any()
    assert (tmp_path / "runs" / "mine" / "report.html").exists()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_shows_what_its_cells_made_and_names_no_folder(notebook: Path):
    text = notebook.read_text()
    outputs = [cell["outputs"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert any("text/html" in one.get("data", {}) for cell in outputs for one in cell)
    assert not any(one["output_type"] == "error" for cell in outputs for one in cell)
    assert not re.search(r"/(home|tmp|root)/", text)
    assert len(text) < 300_000


def test_pages_ask_nothing_of_the_network():
    theme = settings()["theme"]
    assert theme["font"] is False
    assert "extra_javascript" not in settings()
    assert "extra_css" not in settings()


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
def test_the_worked_example_keeps_the_contract(clause, worked_example: type):
    clause(Case(worked_example(), brittle.Lp("inf", 0.1), grows=None))
