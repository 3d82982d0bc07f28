"""What training and universal perturbations tell, and that the same call reads it all again; in public figures only."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from brittle import Lp, RunError
from brittle.data import Fit, open_source
from brittle.evaluation.train import train
from brittle.evaluation.universal import universal
from brittle.models import Network
from brittle.universal_attacks.perturbation import Perturbation

COUNT = 24


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Images in colour and too small, of two classes, which a network for grey digits gets otherwise."""
    folder = tmp_path_factory.mktemp("coloured")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = folder / str(number % 2) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        light = 60 + 120 * (number % 2)
        Image.fromarray(rng.integers(light - 50, light + 50, (14, 14, 3)).astype(np.uint8)).save(path)
    return str(folder)


@pytest.fixture(scope="module")
def trained(coloured, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "w"
    asked = {"test": coloured, "epochs": 1, "settings": "batch=8,rate=1e-3", "attack": "fgsm", "eps": 0.05}
    return train("digits-lenet", coloured, out, **asked), asked, coloured


def test_a_training_that_is_asked_for_again_tells_what_it_told(trained):
    made, asked, data = trained
    assert made.accuracy.n == made.robust.n == COUNT
    assert 0 < made.accuracy.value <= 1
    assert any("colour" in line for line in made.said)
    before = made.path.read_bytes(), made.course.read_bytes()
    again = train("digits-lenet", data, made.path.parent, **asked)
    assert (again.path, again.course, again.accuracy, again.robust) == (
        made.path,
        made.course,
        made.accuracy,
        made.robust,
    )
    assert (again.said, again.history) == (made.said, made.history)
    assert (made.path.read_bytes(), made.course.read_bytes()) == before


def test_the_course_tells_what_the_images_were(trained):
    made, _, data = trained
    told = json.loads(made.course.read_text())["data"]
    assert (told["train"], told["test"]) == (data, data)
    assert told["train_digest"] == open_source(data, fit=Fit(1, 28, 28)).digest()
    assert (told["test_images"], told["test_accuracy"]) == (COUNT, made.accuracy.value)
    assert told["said"] == list(made.said)
    assert told["classes"] == ["0", "1"]
    assert told["robust_accuracy"] == vars(made.robust)


class Near(nn.Module):
    """Class 1 where no value of an image lies farther from one half than `at`, class 0 elsewhere."""

    def __init__(self, at: float, p: float = math.inf):
        super().__init__()
        self.at, self.p = at, p

    def forward(self, images: Tensor) -> Tensor:
        far = torch.linalg.vector_norm((images - 0.5).flatten(1), self.p, dim=1)
        return 100 * torch.stack([far - self.at, self.at - far], 1)


@pytest.mark.parametrize(
    ("norm", "p", "fractions", "fooled"),
    [
        ("linf", math.inf, (0.98, 1.001), (1, 0)),  # uniform: the largest of 784 eot_samples is nearly the radius
        ("linf", 2.0, (0.5 * 28, 0.65 * 28), (1, 0)),  # and their root mean square is 1 / sqrt(3) = 0.577 of it
        ("l2", 2.0, (0.999, 1.001), (1, 0)),  # as long as the radius
    ],
)
def test_the_noise_beside_a_perturbation_is_as_large_as_it_may_be(norm, p, fractions, fooled, tmp_path):
    grey = torch.full((6, 1, 28, 28), 0.5), torch.zeros(6, dtype=torch.int64)
    radius = 0.1
    for fraction, rate in zip(fractions, fooled, strict=True):
        network = Network("near", Near(radius * fraction, p), "0" * 64, (1, 28, 28))
        asked = {"attack": "ascent:passes=1", "norm": norm, "eps": radius, "held_out": 3}
        made = universal(network, grey, tmp_path / f"{fraction}", **asked)
        assert (made.noise.value, made.noise.n) == (rate, 3)


def test_a_universal_perturbation_that_is_asked_for_again_tells_what_it_told(coloured, tmp_path):
    asked = {"attack": "ascent:passes=1", "norm": "l2", "held_out": 5, "seed": 3, "batch": 4}
    made = universal("digits-lenet", coloured, tmp_path / "v", **asked)
    assert (made.training.n, made.held_out.n, made.noise.n) == (COUNT - 5, 5, 5)
    assert made.perturbation.threat == Lp(2, 2000 / 255 * math.sqrt(28 * 28 / (3 * 224 * 224)))
    assert any("colour" in line for line in made.said)
    told = made.perturbation.made
    assert (told["device"], told["from_images"], told["noise"]) == ("cpu", True, False)
    assert all(word in told["command"] for word in ("--batch 4", "--seed 3", "--norm l2", "--held-out 5"))
    assert (told["images"], told["unseen"], told["attack"]) == (COUNT - 5, 5, "ascent:passes=1")
    before = {path.name: path.read_bytes() for path in (tmp_path / "v").iterdir()}
    again = universal("digits-lenet", coloured, tmp_path / "v", **asked)
    assert again.plain() == made.plain()
    assert again.said == made.said
    assert {path.name: path.read_bytes() for path in (tmp_path / "v").iterdir()} == before
    assert torch.equal(Perturbation.load(Path(made.path)).tensor, made.perturbation.tensor)
    assert made.plain()["fooling"]["held_out"]["n"] == 5


class Counts(Near):
    """Keeps how many images each pass had."""

    def forward(self, images: Tensor) -> Tensor:
        self.__dict__.setdefault("sizes", set()).add(len(images))
        return super().forward(images)


@pytest.mark.parametrize(
    ("options", "batch", "aside"), [({}, 64, 70), ({"batch": 5, "held_out": 0}, 5, 0), ({"held_out": 30}, 64, 30)]
)
def test_half_of_the_images_are_kept_aside_and_64_are_shown_at_a_time(options, batch, aside, tmp_path):
    grey = torch.full((140, 1, 4, 4), 0.5), torch.zeros(140, dtype=torch.int64)
    network = Network("near", Counts(0.05), "0" * 64, (1, 4, 4))
    made = universal(network, grey, tmp_path / "v", attack="ascent:passes=1", **options)
    told = made.perturbation.made
    assert (told["images"], told["unseen"]) == (140 - aside, aside)
    assert batch in network.module.sizes
    assert made.perturbation.threat == Lp("inf", 10 / 255)


def perturb(out: Path, tell: Callable[[Any], None], **options: Any) -> None:
    universal("digits-lenet", "digits", out, attack="ascent:passes=3", max_images=20, watch=tell, **options)


def fit(out: Path, tell: Callable[[Any], None], **options: Any) -> None:
    train("digits-lenet", "digits:train", out, epochs=3, max_images=30, progress=tell, **options)


@pytest.mark.parametrize("make", [perturb, fit])
@pytest.mark.parametrize(
    ("options", "passes"), [({}, [3]), ({"force": True}, [3]), ({"force": True, "seed": 1}, [1, 2, 3])]
)
def test_what_was_interrupted_goes_on_also_where_another_may_be_replaced(make, options, passes, tmp_path):
    told: list[int] = []

    def tell(one: Any) -> None:
        told.append(one.number)
        if told == [1, 2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "made", tell)
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"checkpoint", "manifest.json"}
    if "seed" in options:
        with pytest.raises(RunError, match="another"):
            make(tmp_path / "made", tell, seed=1)
        told.clear()
        told.append(0)
    make(tmp_path / "made", tell, **options)
    assert told[-len(passes) :] == passes
    assert len(told) == (4 if "seed" in options else 3)
    assert "checkpoint" not in {path.name for path in (tmp_path / "made").iterdir()}


@pytest.mark.parametrize(
    ("make", "file", "beside"),
    [(perturb, "perturbation.safetensors", "rows.parquet"), (fit, "weights.safetensors", "training.json")],
)
def test_what_the_same_call_made_and_lost_is_made_again_without_force(make, file, beside, tmp_path):
    make(tmp_path, lambda _: None)
    before, names = load_file(tmp_path / file), {path.name for path in tmp_path.iterdir()}
    assert beside in names
    (tmp_path / beside).unlink()
    make(tmp_path, lambda _: None)
    assert {path.name for path in tmp_path.iterdir()} == names
    after = load_file(tmp_path / file)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_the_first_fooled_images_are_kept_as_pictures_before_and_after(channels, mode, tmp_path):
    """Whatever is done to them the network calls grey images something else."""
    images = torch.full((24, channels, 4, 5), 102 / 255)
    images[:, 0] = 153 / 255

    def anything_else(given: Tensor) -> Tensor:
        far = (given - images[:1].to(given)).abs().flatten(1).amax(1)
        return 100 * torch.stack([0.001 - far, far - 0.001], 1)

    network = Network("far", AsModule(anything_else), "0" * 64, (channels, 4, 5))
    given = images, torch.zeros(24, dtype=torch.int64)
    made = universal(network, given, tmp_path / "v", attack="ascent:passes=1", eps=0.1, held_out=9)
    rows = pq.read_table(made.rows).to_pylist()
    assert [row["kind"] for row in rows] == ["seen"] * 15 + ["unseen"] * 9
    assert made.training.value == made.held_out.value == 1
    for kind, count in (("seen", 15), ("unseen", 9)):
        own = [row for row in rows if row["kind"] == kind]
        kept = [row["clean_png"] is not None for row in own]
        assert kept == [True] * 8 + [False] * (count - 8)
        for row in own[:8]:
            clean, moved = (Image.open(io.BytesIO(row[name])) for name in ("clean_png", "perturbed_png"))
            assert (clean.mode, moved.mode, clean.size) == (mode, mode, (5, 4))
            first = np.array(clean).reshape(4, 5, channels)
            assert first[0, 0].tolist() == [153, 102, 102][:channels]
            expected = ((images[0] + made.perturbation.tensor).clamp(0, 1) * 255).round().to(torch.uint8)
            assert np.array_equal(np.array(moved).reshape(4, 5, channels), expected.permute(1, 2, 0).numpy())


class AsModule(nn.Module):
    """A function that can be differentiated."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def test_columns_of_pictures_are_of_one_type_where_no_image_was_fooled(tmp_path):
    network = Network("near", Near(0.0), "0" * 64, (1, 4, 4))
    grey = torch.full((4, 1, 4, 4), 0.9), torch.zeros(4, dtype=torch.int64)
    made = universal(network, grey, tmp_path / "v", attack="ascent:passes=1", eps=0.01, held_out=1)
    assert (made.training.value, made.held_out.value) == (0, 0)
    schema = pq.read_schema(made.rows)
    assert [str(schema.field(name).type) for name in ("clean_png", "perturbed_png")] == ["binary", "binary"]
