import json

from benchmarks.same_bits import compare, difference, write
from benchmarks.setups import attack_of, specs
from brittle import UniversalAttack
from brittle.registry import ATTACKS, COMBINATORS, UNIVERSAL

ONLY = "convolutional | fgsm | *"


def changed(path, **values):
    """Write a copy whose first line has other values."""
    first, *rest = path.read_text().splitlines()
    copy = path.with_suffix(".changed")
    copy.write_text("\n".join([json.dumps(json.loads(first) | values), *rest]))
    return copy


def test_everything_registered_is_run():
    kinds = {type(attack_of(spec)) for spec in specs()}
    assert kinds >= {*ATTACKS.values(), *COMBINATORS.values(), *UNIVERSAL.values()}
    assert sum(issubclass(kind, UniversalAttack) for kind in kinds) == len(UNIVERSAL)


def test_the_same_brittle_has_the_same_bits(tmp_path, capsys):
    before, after = tmp_path / "before", tmp_path / "after"
    assert write(before, ONLY, seconds=True) == write(after, ONLY, seconds=False) == 0
    assert compare(before, after, None) == 0
    assert "different 0, only before 0, only after 0, not expected 0" in capsys.readouterr().out
    assert "seconds" in before.read_text()
    assert "seconds" not in after.read_text()


def test_a_difference_is_told_unless_it_is_expected(tmp_path, capsys):
    before, expected = tmp_path / "before", tmp_path / "expected"
    write(before, ONLY, seconds=False)
    after = changed(before, size="0" * 64, forward=[9])
    assert compare(before, after, None) == 1
    assert "| linf 0.05: size, forward; forward [" in capsys.readouterr().out
    expected.write_text("# a reason\n*linf 0.05 # another\n*no such*\n")
    assert compare(before, after, expected) == 0
    said = capsys.readouterr().out
    assert "expected: convolutional | " in said
    assert "nothing of it differs: *no such*" in said


def test_a_line_that_is_missing_is_a_difference(tmp_path):
    before, less = tmp_path / "before", tmp_path / "less"
    write(before, ONLY, seconds=False)
    less.write_text("\n".join(before.read_text().splitlines()[1:]))
    assert compare(before, less, None) == compare(less, before, None) == 1


def test_nothing_to_run_is_a_failure(tmp_path):
    assert write(tmp_path / "out", "no such network*", seconds=False) == 1


def test_times_are_no_difference():
    line = {"network": "a", "attack": "b", "threat": "c", "size": "d"}
    assert difference(line | {"seconds": 1.0}, line | {"seconds": 2.0}) == ""
