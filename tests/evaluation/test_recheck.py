"""How far a stored answer and one given now may lie apart, on either side of each threshold."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from brittle import Classifier, RunError
from brittle.data import from_memory
from brittle.data.fit import Fit
from brittle.evaluation.audit import audit
from brittle.evaluation.recheck import ASKED, COLUMNS, SHAPE, _allowed, _compared, _Question, ask_again
from brittle.runs.schema import SCHEMA

WHITE = Classifier(nn.Flatten())
LABELS = Classifier(lambda images: images.flatten(1).argmax(1), labels=3)


def asked(prediction: int, confidence: float, *, attacked: bool = False) -> _Question:
    return _Question("an image", torch.zeros(1, 1, 3), 4, prediction, confidence, attacked)


def logits_of(*chances: float) -> torch.Tensor:
    return torch.tensor([chances], dtype=torch.float64).log()


@pytest.mark.parametrize(
    ("drift", "draws", "differs"),
    [
        (0.049, 1, False),
        (0.051, 1, True),
        (-0.049, 1, False),
        (-0.051, 1, True),
        (0.49, 16, False),  # four standard deviations of a mean of 16 draws are 1/2
        (0.51, 16, True),
        (0.049, 100_000, False),
        (0.051, 100_000, True),
    ],
)
def test_how_far_a_confidence_may_drift(drift: float, draws: int, differs: bool):
    chances = logits_of(0.5, 0.3, 0.2)
    assert bool(_compared([asked(0, 0.5 - drift)], chances, WHITE, draws)) is differs


@pytest.mark.parametrize(("draws", "allowed"), [(1, 0.05), (2, 2**0.5), (16, 0.5), (1600, 0.05), (10_000, 0.05)])
def test_what_draws_allow(draws: int, allowed: float):
    assert _allowed(draws) == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("lead", "draws", "differs"), [(0.019, 1, False), (0.021, 1, True), (0.021, 2, False), (0.0, 1, False)]
)
def test_another_class_that_leads_by_more_than_rounding(lead: float, draws: int, differs: bool):
    """Of the range of the logits, from -8 to 2; the confidence is as stored."""
    logits = torch.tensor([[2 - 10 * lead, 2.0, -8.0]], dtype=torch.float64)
    stored = float(logits.softmax(1)[0, 0])
    assert bool(_compared([asked(0, stored)], logits, WHITE, draws)) is differs


def test_a_class_that_the_network_does_not_have_any_more():
    (line,) = _compared([asked(3, 0.5)], logits_of(0.3, 0.2, 0.5), WHITE, 1)
    assert line == "an image: class 3 at 50.0% stored, class 2 at 50.0% now"
    assert _compared([asked(2, 0.5)], logits_of(0.3, 0.2, 0.5), WHITE, 1) == []
    assert _compared([asked(2, 1.0)], torch.zeros(1, 3, dtype=torch.float64), WHITE, 1000), "all alike are no error"


@pytest.mark.parametrize(
    ("clean", "attacked", "told"),
    [
        ([False], [True, False], 0),
        ([False], [True, True, False], 2),
        ([True], [True, False], 1),
        ([True, True], [True, True], 4),
        ([True], [], 1),
    ],
)
def test_where_a_class_alone_is_said_half_of_the_changed_images_may_fall_back(clean, attacked, told):
    """A step over the boundary is told from another network by how many take it; clean images are never excused."""
    others = [*clean, *attacked]
    questions = [asked(0, 1.0, attacked=place >= len(clean)) for place in range(len(others))]
    here, there = (0.998, 0.001, 0.001), (0.001, 0.998, 0.001)
    logits = torch.cat([logits_of(*(there if other else here)) for other in others])
    assert len(_compared(questions, logits, LABELS, 1)) == told
    assert len(_compared(questions, logits, WHITE, 1)) == sum(others)


def test_what_is_read_of_a_row_is_among_its_columns():
    assert {*COLUMNS, *SHAPE, "adversarial"} <= {*SCHEMA.names}
    assert ASKED == 3


def beyond(at: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a network that says 1 where the first pixel is above `at`, and nothing but the class."""
    return lambda images: (images[:, 0, 0, 0] > at).long()


def test_images_as_changed_are_known_from_clean_ones(tmp_path):
    """A step over the boundary that one changed image of three takes is excused; that of a clean one is not."""
    given = torch.full((5, 1, 4, 4), 0.45), torch.zeros(5, dtype=torch.int64)
    source = from_memory(given, fit=Fit(), max_images=None, skip_bad=False)
    folder = audit(beyond(0.5), given, tmp_path / "run", attacks=["noise:draws=50"], eps=0.2, labels=2)
    done = {(0, "noise_draws=50")}
    rows = folder.part("noise_draws=50", 0, None).to_pylist()[:3]
    found = sorted(float(np.frombuffer(row["adversarial"], "<f4")[0]) for row in rows)
    least, middle, most = found
    for at, fine in ((0.5, True), ((least + middle) / 2, True), ((middle + most) / 2, False), (0.4, False)):
        network = Classifier(beyond(at), labels=2)
        if fine:
            assert "6 of their images were asked anew and answered as stored" in ask_again(
                folder, done, network, source
            )
        else:
            with pytest.raises(RunError, match="of 6 stored answers that were asked anew"):
                ask_again(folder, done, network, source)
