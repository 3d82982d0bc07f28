"""The command that is written into what was made: what is left out of it, and what would be taken for an option."""

import pytest

from brittle.evaluation.command import command_words
from brittle.limits import current, stated_limits


@pytest.mark.parametrize(
    ("words", "options", "written"),
    [
        (["audit", "net"], {}, ["audit", "net"]),
        (["audit", "net"], {"eps": None, "force": False, "set": ""}, ["audit", "net"]),
        (
            ["audit", "net"],
            {"fraction": 0.0, "clean_epochs": 0},
            ["audit", "net", "--fraction", "0.0", "--clean-epochs", "0"],
        ),
        (["audit", "net"], {"skip_bad": True, "seed": 1}, ["audit", "net", "--skip-bad", "--seed", "1"]),
        (["audit", "my net.pt2"], {"out": "a'b"}, ["audit", "my net.pt2", "--out", "a'b"]),
        (["audit", "-net"], {"seed": 1}, ["audit", "--seed", "1", "--", "-net"]),
        (["audit", "net", "-o"], {}, ["audit", "--", "net", "-o"]),
        (
            ["audit", "net"],
            {"ratio": 1e9, "eps": 10 / 255},
            ["audit", "net", "--ratio", "1000000000.0", "--eps", "10/255"],
        ),
        (["audit", "a-b"], {"norm": "l2"}, ["audit", "a-b", "--norm", "l2"]),
    ],
)
def test_a_command_holds_what_was_asked_and_nothing_else(words, options, written):
    assert stated_limits(current()) == "", "limits are left out where they are as they are"
    assert command_words(words, options) == ["brittle", *written]
