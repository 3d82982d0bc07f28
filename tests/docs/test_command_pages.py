"""The reference of the commands is made of the commands: each has a sentence, lines to type, and its options."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from brittle.cli import app

DOCS = Path(__file__).parents[2] / "docs"
GROUP = typer.main.get_command(app)


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("command_pages", DOCS / "command_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def every(hook):
    return {one.name: one for one in hook.commands()}


def test_every_command_has_a_page_with_a_sentence_and_a_guide(hook, every):
    assert every.keys() == GROUP.commands.keys() == hook.GUIDES.keys()
    assert all(re.match(r"[A-Z].+[.!?]$", one.sentence) for one in every.values())
    assert all((DOCS / guide).exists() for guide in hook.GUIDES.values())


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_examples_can_be_typed(name, every):
    assert every[name].examples
    for line in every[name].examples:
        program, command, *words = shlex.split(line)
        assert program == "brittle"
        GROUP.commands[command].make_context(command, words)


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_option_stands_on_the_page_with_its_help(name, hook, every):
    text = hook.page(every[name])
    for one in GROUP.commands[name].params:
        if not getattr(one, "hidden", False):
            assert any(option in text for option in one.opts) or one.name.upper() in text
            assert hook.escaped(" ".join((one.help or "").split())) in text


def test_nothing_on_a_page_is_read_as_markup(hook):
    assert hook.escaped("a|b <c> *d* [e]") == r"a\|b &lt;c&gt; \*d\* \[e\]"
