"""Several seeds in one call: the same images, the median run, all rates; killed runs go on."""

import json
from statistics import median_low

import pytest
import torch
from typer.testing import CliRunner

from brittle import InputError
from brittle.cli import app
from brittle.evaluation.universal import universal
from brittle.report.universal_page import write_universal
from brittle.universal_attacks.perturbation import Perturbation

ASKED = {"attack": "ascent:passes=2", "eps": 0.15, "max_images": 120, "held_out": 60, "batch": 50}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    told: list[str] = []
    out = tmp_path_factory.mktemp("seeds") / "v"
    return universal("digits-lenet", "digits", out, **ASKED, seeds=4, seed=7, begins=told.append), told


def test_the_median_is_kept_and_every_rate_is_of_its_perturbation(made):
    result, told = made
    rates = {one.seed: one.rate for one in result.seeds}
    assert sorted(rates) == [7, 8, 9, 10]
    assert result.seeds[0].rate == median_low(rates.values()) == result.held_out.value
    assert told == [f"seed {seed}, {number} of 4" for number, seed in enumerate(range(7, 11), 1)]
    again = Perturbation.load(result.path)
    assert again.more.shape == (3, 1, 28, 28)
    assert len({tuple(one.tensor.flatten().tolist()) for one in again.every}) == 4


def test_the_first_seed_is_that_of_a_call_of_its_own(made, tmp_path):
    result, _ = made
    first = universal("digits-lenet", "digits", tmp_path / "v", **ASKED, seed=7)
    place = [one.seed for one in result.seeds].index(7)
    assert torch.equal(result.perturbation.every[place].tensor, first.perturbation.tensor)
    assert first.seeds == []
    assert first.perturbation.more is None
    assert result.seeds[place].rate == first.held_out.value


def test_a_second_call_reads_and_no_checkpoint_is_left(made):
    result, _ = made
    names = {path.name for path in result.folder.iterdir()}
    assert not [name for name in names if name.startswith("checkpoint")]
    again = universal("digits-lenet", "digits", result.folder, **ASKED, seeds=4, seed=7)
    assert again.plain() == result.plain()


def test_a_call_that_ended_goes_on_with_the_seed_that_it_was_at(made, tmp_path):
    result, _ = made
    seen: list[int] = []

    def stop(line):
        seen.append(line.number)
        if len(seen) == 5:  # the first pass of the third seed
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        universal("digits-lenet", "digits", tmp_path / "v", **ASKED, seeds=4, seed=7, watch=stop)
    assert sorted(path.name for path in (tmp_path / "v").glob("checkpoint*")) == [
        "checkpoint", "checkpoint.1", "checkpoint.2"
    ]  # fmt: skip
    rest: list[int] = []
    resumed = universal(
        "digits-lenet", "digits", tmp_path / "v", **ASKED, seeds=4, seed=7, watch=lambda line: rest.append(line.number)
    )
    assert rest == [2, 1, 2]
    assert torch.equal(resumed.perturbation.tensor, result.perturbation.tensor)
    assert torch.equal(resumed.perturbation.more, result.perturbation.more)


def test_page_and_terminal_tell_median_and_range(made, tmp_path):
    result, _ = made
    page = write_universal(result.folder).read_text()
    assert "By seed" in page
    assert "How it settled" in page
    assert "this is the lower middle" in page
    assert f"{result.seeds[0].seed} (lower middle)" in page
    words = [
        "universal",
        "digits-lenet",
        "--data",
        "digits",
        "--attack",
        "ascent:passes=2",
        "--eps",
        "0.15",
        "--seed",
        "7",
    ]
    words += ["--max-images", "120", "--held-out", "60", "--batch", "50", "--seeds", "4", "--out", str(tmp_path / "v")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert "of 4 seeds" in ran.output
    assert "seed 9, 3 of 4" in ran.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert [one["seed"] for one in told["seeds"]] == [one.seed for one in result.seeds]


def test_more_perturbations_of_another_shape_are_refused(made):
    result, _ = made
    with pytest.raises(InputError, match="more has the shape"):
        Perturbation(result.perturbation.tensor, result.perturbation.threat, {}, torch.zeros(2, 1, 4, 4))


def test_what_seeds_cannot_mean_is_refused_before_a_folder(tmp_path):
    place, asked = tmp_path / "v", {"eps": 0.15, "max_images": 20}
    with pytest.raises(InputError, match="leave out the seeds"):
        universal("digits-lenet", "digits", place, attack="joint-ascent", seeds=2, **asked)
    with pytest.raises(InputError, match="expected at most 9223372036854775807"):
        universal("digits-lenet", "digits", place, attack="ascent:passes=1", seeds=2, seed=2**63 - 1, **asked)
    with pytest.raises(InputError, match="by the images kept aside no seed can be told from another"):
        universal("digits-lenet", "digits", place, attack="ascent:passes=1,classes=3", seeds=2, held_out=1, **asked)
    assert not place.exists()
