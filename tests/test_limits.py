"""The statement of limits: what holds, how it is changed, and what it says."""

import pytest
from typer.testing import CliRunner

from brittle import InputError, Limits, OverLimit, use_limits
from brittle.cli import app
from brittle.evaluation.command import command_words
from brittle.limits import check_limit, current, parse_limits, stated_limits


def test_limits_hold_within_and_are_put_back_after_an_error():
    def fail() -> None:
        with use_limits(pixels=5), use_limits(depth=3) as limits:
            assert (limits.pixels, limits.depth, current()) == (5, 3, limits)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert current() == Limits()


def test_what_is_over_says_what_the_limit_is_and_how_to_raise_it():
    with use_limits(pixels=99):
        check_limit("pixels", 99, "cat.png")
        with pytest.raises(OverLimit, match=r"cat\.png would take 100 pixels, more than the limit of 99; .*pixels=100"):
            check_limit("pixels", 100, "cat.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pixels", "is not NAME=NUMBER"),
        ("pixels=-3", "is not NAME=NUMBER"),
        ("pixels=many", "is not NAME=NUMBER"),
        ("", "is not NAME=NUMBER"),
        ("pixels=0", "from 1 up"),
        ("pixels=3,pixels=4", "names 'pixels' twice"),
        (
            "pixel=3",
            r"no limit 'pixel' \(did you mean 'pixels'\?\); known are pixels, array, record, cell, text, depth",
        ),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(text: str, message: str):
    with pytest.raises(InputError, match=message):
        parse_limits(text)


def test_an_option_is_read_and_written():
    limits = parse_limits("pixels=400M, array=1.5G,text=2e6,depth=7")
    assert limits == Limits(pixels=400_000_000, array=1_500_000_000, text=2_000_000, depth=7)
    assert parse_limits(stated_limits(limits)) == limits
    with use_limits(limits):
        assert "--limits pixels=400000000,array=1500000000" in " ".join(command_words(["train"], {}))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "9"])
def test_a_limit_is_a_whole_number(value: object):
    with pytest.raises(InputError, match="whole number"):
        Limits(depth=value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("command", ["audit", "attack", "universal", "train", "study", "report"])
def test_every_command_that_reads_files_takes_them(command: str):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert "--limits" in result.output


def test_the_option_holds_for_one_command(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG no image")
    words = ["attack", "digits-lenet", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--limits", "cell=5"]
    error = CliRunner().invoke(app, words).exception
    assert "more than the limit of 5" in str(error)
    assert current() == Limits()
