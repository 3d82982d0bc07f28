"""What a user nearly wrote, an engine that does nothing, a folder one above: the message says what to do."""

import numpy as np
import pytest
import torch
from torch import nn

from brittle import PGD, InputError, Lp, RunError, audit, open_source
from brittle.engine.done import get_done
from brittle.engine.engine import LocalEngine
from brittle.report.write import write_report

DATA = (np.zeros((2, 2, 2), np.uint8), np.zeros(2, int))


class Idle:
    """An engine that does nothing."""

    def run(self, parts, leases, elsewhere=None):
        return 0


class Part:
    """A part that is done once it was done."""

    def __init__(self, name):
        self.name, self.finished = name, False

    def done(self):
        return self.finished

    def do(self):
        self.finished = True


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"atacks": ["fgsm"]}, r"^audit\(\) got an unexpected keyword argument 'atacks'; did you mean 'attacks'\?$"),
        ({"max_image": 3}, "'max_image'; did you mean 'max_images'"),
        ({"zzz": 3}, r"^audit\(\) got an unexpected keyword argument 'zzz'$"),
    ],
)
def test_a_keyword_that_is_misspelt_is_told_with_the_nearest(words, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        audit(network(), DATA, tmp_path / "out", **words)


def test_a_function_without_options_tells_the_nearest_too():
    with pytest.raises(TypeError, match=r"open_source\(\) got .* 'skip_bed'; did you mean 'skip_bad'"):
        open_source("digits", skip_bed=True)
    with pytest.raises(TypeError, match="missing"):
        audit(seed=1)


def test_an_engine_that_leaves_parts_undone_is_named_with_them(tmp_path):
    parts = [Part("a"), Part("b")]
    parts[0].do()
    with pytest.raises(RunError, match=r"^Idle.run returned with 1 of 2 parts undone \(b\)"):
        get_done(Idle(), parts, tmp_path / "leases")
    get_done(LocalEngine(), parts, tmp_path / "leases")
    torch.manual_seed(0)
    with pytest.raises(RunError, match=r"Idle.run returned with 1 of 1 part undone \(fgsm-000000\)"):
        audit(network(), DATA, tmp_path / "out", attacks=["fgsm"], eps=0.1, engine=Idle())


def test_a_folder_one_above_names_those_in_it(tmp_path):
    for name in ("one", "two", "none"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "study.json").touch()
    (tmp_path / "two" / "manifest.json").touch()
    with pytest.raises(RunError, match=r"give one of the folders in it: \S*one, \S*two$"):
        write_report(tmp_path)


def test_an_infinite_radius_is_advised_in_the_words_of_both():
    with pytest.raises(InputError, match=r"a finite one \(--eps on the command line, Lp\('inf', radius\) in"):
        PGD().check(Lp("inf"))
