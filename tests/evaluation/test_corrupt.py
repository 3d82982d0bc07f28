import json

import pytest
import torch

from brittle import Classifier, InputError, RunError
from brittle.data import Fit, from_memory
from brittle.errors import DataError
from brittle.evaluation.corrupt import corrupt
from brittle.physical.corruptions import KINDS, Corruption
from brittle.runs.corruptions import CorruptionsFolder, CorruptionsSummary

FEW = {"kinds": ["fog", "jpeg"], "severities": [1, 5]}


class Bright(torch.nn.Module):
    """Class 1 where an image is bright in the mean."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, images):
        self.asked += len(images)
        brightness = images.flatten(1).mean(1) - 0.5
        return torch.stack([-brightness, brightness], 1)


@pytest.fixture
def images():
    return torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.4, 1.6, 12).reshape(
        -1, 1, 1, 1
    ).clamp(0, 1).add(0.2).clamp(0, 1)


def labels_of(images):
    return (images.flatten(1).mean(1) > 0.5).long()


def test_counts_what_is_right_under_each_corruption(images, tmp_path):
    labels = labels_of(images)
    made = corrupt(Bright(), (images, labels), tmp_path / "run", **FEW, seed=3)
    assert made.summary.clean.value == 1
    for (kind, severity), found in made.summary.cells.items():
        corrupted = Corruption(kind, severity)(images, seed=3)
        assert found.value == pytest.approx(float((labels_of(corrupted) == labels).float().mean()))
        assert found.n == 12
    assert set(made.summary.cells) == {("fog", 1), ("fog", 5), ("jpeg", 1), ("jpeg", 5)}
    cells = [one.value for one in made.summary.cells.values()]
    assert made.summary.mean.value == pytest.approx(sum(cells) / 4)
    assert made.summary.kinds["fog"].value == pytest.approx(sum(cells[:2]) / 2)
    assert made.summary.mean.low <= made.summary.mean.value <= made.summary.mean.high


def test_batches_change_nothing(images, tmp_path):
    labels = labels_of(images)
    first, second = (
        corrupt(Bright(), (images, labels), tmp_path / str(batch), **FEW, batch=batch).summary for batch in (5, 12)
    )
    assert first.cells == second.cells


def test_goes_on_where_it_was_killed_and_measures_nothing_twice(images, tmp_path):
    network, labels = Bright(), labels_of(images)
    whole = corrupt(network, (images, labels), tmp_path / "whole", **FEW).summary

    class Watch:
        def __init__(self, most):
            self.left, self.done = most, None

        def begin(self, total, done):
            self.total, self.done = total, done

        def advance(self, attack, images):
            self.left -= images
            if self.left < 0:
                raise KeyboardInterrupt

        def note(self, text):
            pass

    with pytest.raises(KeyboardInterrupt):
        corrupt(network, (images, labels), tmp_path / "run", **FEW, watch=Watch(40))
    assert CorruptionsFolder.open(tmp_path / "run").manifest.status == "running"
    with pytest.raises(RunError, match="holds a measurement under corruptions that is not finished"):
        CorruptionsSummary.of(CorruptionsFolder.open(tmp_path / "run"))
    watch = Watch(1000)
    found = corrupt(network, (images, labels), tmp_path / "run", **FEW, watch=watch).summary
    assert (watch.total, watch.done, watch.left) == (60, 36, 1000 - 24)
    assert found.cells == whole.cells
    asked = network.asked
    assert corrupt(network, (images, labels), tmp_path / "run", **FEW).summary == found
    assert network.asked - asked < 12  # looked at, and not measured


def test_a_cell_that_is_damaged_or_foreign_is_measured_anew(images, tmp_path):
    labels, run = labels_of(images), tmp_path / "run"
    found = corrupt(Bright(), (images, labels), run, **FEW).summary
    (run / "corruptions.json").unlink()
    path = run / "corrupted" / "fog-5.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "right": "0" * 12}))
    assert corrupt(Bright(), (images, labels), run, **FEW).summary == found


def test_another_measurement_stays_unless_told(images, tmp_path):
    labels = labels_of(images)
    corrupt(Bright(), (images, labels), tmp_path, kinds=["fog"], severities=[1])
    with pytest.raises(RunError, match=r"severities: \[1\], now \[2\]"):
        corrupt(Bright(), (images, labels), tmp_path, kinds=["fog"], severities=[2])
    made = corrupt(Bright(), (images, labels), tmp_path, kinds=["fog"], severities=[2], force=True)
    assert set(made.summary.cells) == {("fog", 2)}
    assert sorted(one.name for one in (tmp_path / "corrupted").iterdir()) == [
        "clean.json",
        "clean.png",
        "fog-2.json",
        "fog-2.png",
    ]


def test_says_what_is_wrong_before_anything_is_written(images, tmp_path):
    labels = labels_of(images)
    with pytest.raises(InputError, match=r"there is no corruption 'fogg'.*there are gaussian-noise"):
        corrupt(Bright(), (images, labels), tmp_path / "run", kinds=["fogg"])
    with pytest.raises(InputError, match="severities"):
        corrupt(Bright(), (images, labels), tmp_path / "run", severities=[6])
    with pytest.raises(DataError, match="has no labels"):
        corrupt(Bright(), "noise", tmp_path / "run", max_images=3, crop=16)
    with pytest.raises(InputError, match="which does nothing here"):
        corrupt(Bright(), (images, labels), tmp_path / "run", norm="l2")
    assert not (tmp_path / "run").exists()


def test_a_refused_image_is_not_right(images, tmp_path):
    class Guarded(Bright):
        def forward(self, images):
            logits = super().forward(images)
            return torch.cat([logits, torch.full_like(logits[:, :1], 10.0)], 1)

    classifier = Classifier(Guarded(), rejects=True)
    made = corrupt(classifier, (images, labels_of(images)), tmp_path, kinds=["jpeg"], severities=[1])
    assert made.summary.clean.value == 0


@pytest.mark.slow
def test_measures_all_of_them_by_default(tmp_path):
    made = corrupt("digits-lenet", "digits", tmp_path, max_images=20)
    assert len(made.summary.cells) == 75
    assert list(made.summary.kinds) == list(KINDS)


def test_sources_are_taken_as_they_are(images, tmp_path):
    source = from_memory((images, labels_of(images)), fit=Fit(), max_images=None, skip_bad=False)
    assert corrupt(Bright(), source, tmp_path, kinds=["jpeg"], severities=[1]).summary.images == 12


def test_weights_of_another_network_make_another_measurement(images, tmp_path):
    first = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2))
    corrupt(first, (images, labels_of(images)), tmp_path / "run", kinds=["jpeg"], severities=[1])
    with torch.no_grad():
        first[1].bias += 1
    with pytest.raises(RunError, match="network"):
        corrupt(first, (images, labels_of(images)), tmp_path / "run", kinds=["jpeg"], severities=[1])
