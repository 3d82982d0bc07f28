"""The first looks at network and images: how they are made, and what they lead to, on either side of each limit."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier, DataError, LabelError, Lp, ModelError
from brittle.base.bounds import Bounds
from brittle.data import Source, from_memory
from brittle.data.fit import Fit
from brittle.errors import InputError
from brittle.evaluation.compatibility import SEEN, batch_of, check_model_on_data, eot_samples_for
from brittle.evaluation.radius import UNLIKE, check_reach, unusual_radius
from brittle.evaluation.subject import channels_of, compare_with_origin, opened
from brittle.models import Network
from brittle.specs import ModelSpec


class Seen(nn.Module):
    """Keeps all that it is shown."""

    def __init__(self, says: Callable[[Tensor], Tensor] = lambda images: images.flatten(1)[:, :3]):
        super().__init__()
        self.says, self.shown = says, list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.detach().clone())
        return self.says(images)


def source_of(count: int, channels: int = 1, labels: list[int] | None = None) -> Source:
    images = np.full((count, channels, 2, 5), 0.25, np.float32)
    images[:, 0, 0, 0] = np.arange(count) / 10
    return from_memory((images, labels or [0] * count), fit=Fit(), max_images=None, skip_bad=False)


@pytest.mark.parametrize(
    ("blank", "bounds", "value"), [(False, (0, 1), None), (True, (0, 1), 0.0), (True, (-2, 1), -2.0)]
)
def test_the_first_look_is_at_one_image_or_at_a_blank_one(blank, bounds, value):
    module = Seen()
    assert check_model_on_data(Classifier(module, bounds), source_of(5), blank=blank) == (1, 2, 5)
    (shown,) = module.shown
    expected = next(source_of(5).blocks(1)).images if value is None else torch.full((1, 1, 2, 5), value)
    assert torch.equal(shown, expected)


def test_the_first_look_is_in_the_networks_own_type():
    module = Seen()
    module.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    check_model_on_data(Classifier(module), source_of(2), blank=False)
    assert module.shown[0].dtype == torch.float64


def test_what_does_not_fit_is_refused_with_what_was_seen():
    def cannot(_: Tensor) -> Tensor:
        raise RuntimeError("sizes differ\nand more")

    with pytest.raises(
        ModelError,
        match=r"cannot take images of 1x2x5 \(channels x height x width\): RuntimeError: sizes differ.*line 60",
    ):
        check_model_on_data(Classifier(Seen(cannot)), source_of(2), blank=False)
    with pytest.raises(LabelError, match="3 outputs"):
        check_model_on_data(Classifier(Seen()), source_of(2, labels=[3, 0]), blank=False)
    named = source_of(2, labels=[0, 1])
    named.classes = ("cat", "dog")
    with pytest.raises(LabelError, match=r"the data have 2 classes \('cat' to 'dog'\) and the network has 3 outputs"):
        check_model_on_data(Classifier(Seen()), named, blank=False)


def test_nothing_that_can_be_read_is_said():
    inner = source_of(3)
    empty = type("Empty", (type(inner),), {"blocks": lambda self, size, start=0: iter(())})
    nothing = empty.__new__(empty)
    nothing.__dict__.update(inner.__dict__)
    with pytest.raises(DataError, match="not one of the 3 images of tensors can be read"):
        check_model_on_data(Classifier(Seen()), nothing, blank=False)
    assert eot_samples_for(Classifier(Seen()), nothing, None) == 1


@pytest.mark.parametrize(("noise", "budget", "draws", "asked"), [(0, None, 1, 5), (1, None, 20, 5), (1, 9, 1, 0)])
def test_draws_are_needed_where_four_images_get_other_answers(noise, budget, draws, asked):
    module = Seen(lambda images: images.flatten(1)[:, :3] + noise * torch.randn(len(images), 3))
    assert eot_samples_for(Classifier(module), source_of(9), budget) == draws
    assert [len(shown) for shown in module.shown] == [SEEN] * asked
    assert SEEN == 4


@pytest.mark.parametrize(
    ("shape", "batch"),
    [
        ((0, 2, 2), 256),
        ((1, 28, 28), 256),
        ((1, 1, 19531), 256),  # 5,000,000 / 256, at most
        ((1, 1, 19532), 128),
        ((3, 224, 224), 32),
        ((1, 1, 156250), 32),
        ((1, 1, 156251), 16),
        ((3, 2000, 2000), 16),
    ],
)
def test_a_batch_holds_at_most_five_million_values(shape, batch):
    assert batch_of(shape) == batch


@pytest.mark.parametrize(
    ("takes", "channels", "shown"), [((3, 1), 3, [3]), ((1,), 1, [3, 1]), ((3,), 3, [3]), ((), None, [3, 1])]
)
def test_a_network_that_does_not_say_so_is_shown_a_black_image_in_colour_then_in_grey(takes, channels, shown):
    def says(images: Tensor) -> Tensor:
        if images.shape[1] not in takes:
            raise RuntimeError
        return images.flatten(1)[:, :3]

    module = Seen(says)
    module.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    assert channels_of(Classifier(module, (-1, 1)), source_of(2)) == channels
    assert [one.shape for one in module.shown] == [(1, count, 2, 5) for count in shown]
    assert all(bool((one == -1).all()) and one.dtype == torch.float64 for one in module.shown)


def test_a_converted_network_is_compared_on_the_first_images():
    seen: list[tuple] = []
    module = Seen()
    network = Network("converted", module, "0" * 64, compare=lambda *given: seen.append(given))
    compare_with_origin(network, source_of(9))
    ((told, images, words),) = seen
    assert told is module
    assert torch.equal(images, next(source_of(9).blocks(4)).images)
    assert words == "the first of tensors"
    compare_with_origin(Network("plain", module, "0" * 64), source_of(9))


def test_another_device_than_the_networks_is_refused():
    with pytest.raises(InputError, match=r"the device is meta, and the network lies on cpu|expected"):
        opened(ModelSpec(Seen()), "meta")
    assert opened(ModelSpec(Seen()), "cpu")[1].device.type == "cpu"


@pytest.mark.parametrize(
    ("radius", "asked", "said"),
    [
        (8 / 255 * 3.99, True, None),
        (8 / 255 * 4.01, True, "4 times larger than 8/255"),
        (8 / 255 / 3.99, True, None),
        (8 / 255 / 4.01, True, "4 times smaller than 8/255"),
        (8 / 255 * 1.009, False, None),
        (8 / 255 * 1.011, False, "1 times larger than 8/255"),
        (8 / 255 / 1.011, False, "1 times smaller than 8/255"),
    ],
)
def test_from_where_on_a_radius_is_unusual(radius, asked, said):
    told = unusual_radius(Lp("inf"), radius, (3, 32, 32), asked=asked)
    assert UNLIKE == 4
    assert told == [] if said is None else (said in told[0] and "images of 3x32x32 such as" in told[0])
    if said:
        assert told[0].endswith(": --eps 8/255")
        assert unusual_radius(Lp("inf"), radius, (3, 32, 32)) == (told if asked else [])


def test_radii_are_written_in_levels_where_they_are_few_whole_ones():
    (told,) = unusual_radius(Lp("inf"), 63 / 255, (3, 32, 32))
    assert told.startswith("the linf radius 63/255 is")
    (told,) = unusual_radius(Lp("inf"), 64 / 255, (3, 32, 32))
    assert told.startswith("the linf radius 0.251 is")


@pytest.mark.parametrize(
    ("radius", "bounds", "fits"),
    [(1.0, None, True), (1.1, None, False), (1.1, Bounds(-1, 1), True), (2.1, Bounds(-1, 1), False)],
)
def test_no_change_is_larger_than_the_span(radius, bounds, fits):
    if fits:
        check_reach(Lp("inf", radius), (1, 2, 2), bounds)
    else:
        with pytest.raises(InputError, match="radius"):
            check_reach(Lp("inf", radius), (1, 2, 2), bounds)
