"""Folders of audits whose users name none."""

from pathlib import Path

import pytest

from brittle.evaluation.usual_folder import LONGEST, usual_comparison, usual_folder
from brittle.specs import DataSpec, Effort, ModelSpec, Question

PLAIN = {"model": ModelSpec("net.pt2"), "data": DataSpec("val/"), "question": Question(), "effort": Effort()}


@pytest.mark.parametrize(
    ("change", "ending"),
    [
        ({}, ""),
        ({"data": DataSpec("val/", max_images=200)}, "-max-images-200"),
        ({"question": Question(radius=4 / 255)}, "-eps-4-255"),
        ({"question": Question(radius=0.5)}, "-eps-0.5"),
        ({"effort": Effort(seed=1)}, "-seed-1"),
        ({"effort": Effort(device="cpu", batch=8)}, ""),
        ({"attacks": ["pgd:steps=40,restarts=5", "fgsm"]}, "-pgd-steps-40-restarts-5-fgsm"),
        ({"model": ModelSpec("net.pt2", binary=True)}, "-binary"),
        ({"model": ModelSpec("net.pt2", defence="jpeg:quality=75")}, "-defence-jpeg-quality-75"),
        ({"task": "depth"}, "-depth"),
    ],
)
def test_the_name_tells_what_is_not_as_by_default(change, ending):
    assert usual_folder(**{**PLAIN, **change}).as_posix() == f"runs/net.pt2-val-linf{ending}"


def test_long_names_are_cut_and_still_differ():
    names = [
        usual_folder(**PLAIN, attacks=[f"pgd:steps={steps}" for steps in (*range(10, 30), last)]).name
        for last in (1, 2)
    ]
    assert names[0] != names[1]
    assert {len(name) for name in names} == {LONGEST}


def test_comparisons_of_long_names_lie_apart():
    long = [Path("a" * 90 + end) for end in ("-eps-0.1", "-eps-0.2")]
    names = [usual_comparison([one, Path("b")]).name for one in long]
    assert len({*names}) == 2
    assert max(map(len, names)) <= LONGEST
    assert usual_comparison([Path("x/run"), Path("y/run")]).name == "x-run-then-y-run"
