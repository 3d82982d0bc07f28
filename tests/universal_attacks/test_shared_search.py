"""Searches whose mini-batches several processes share: the gradient and the answers of one, and an end that is told."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from affine import affine, convolutional
from torch import nn

from brittle import Classifier, DeepFool, InputError, Lp, RunError
from brittle.base.stored import StoredImages
from brittle.dense.rows import PixelRows
from brittle.processes.gathering import gathered
from brittle.processes.team import ALONE, Team
from brittle.threats import Patch
from brittle.universal_attacks.answers import ClassOfPixels
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.crops import views
from brittle.universal_attacks.gd_uap import GDUAP
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.joint_ascent import JointAscent
from brittle.universal_attacks.loud import Loud
from brittle.universal_attacks.objective import away
from brittle.universal_attacks.pull import Pull
from brittle.universal_attacks.search import UniversalProblem, find_universal, searched
from brittle.universal_attacks.sga import SGA
from brittle.universal_attacks.shared import shared
from brittle.universal_attacks.uap import UniversalDeepFool

COUNT = 11
"""Images: of batches of 4 the last one is smaller."""
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("forked")


def draws(seed):
    return torch.Generator().manual_seed(seed)


def some_images(classifier=None, **how):
    classifier = classifier or convolutional()
    return ImageSet(classifier, torch.rand(COUNT, 1, 6, 5, generator=draws(3), dtype=torch.float64), 2, **how)


def problem_of(some=None, threat=None):
    some = some or some_images()
    return UniversalProblem(some.classifier, some.shape, threat or Lp(2, 1.0), some)


@dataclass(frozen=True)
class Asked:
    """A member that does once what the first does."""

    ask: Callable[[Team], object]

    def work(self, team, tensors):
        self.ask(team)


def by_team(ask, size):
    with gathered(Asked(ask), {}, size, CPU) as team:
        return ask(team)


def pulled(team, threat=None, rows=None, loud=None, crops=False):
    problem, generator, every = problem_of(some_images(team=team), threat), draws(7), torch.arange(5)
    some, clean, _ = views(problem.given(), every, crops, 0.7, generator, every=rows is not None)
    count = len(every) if rows is None else None
    said = None if loud is None else Loud.of(problem, loud, usual=False)
    pull = Pull(problem, some, clean, away("margin", 100.0), generator, said, count)
    return pull.gradient(0.1 * torch.randn(problem.blank().shape, generator=draws(0), dtype=torch.float64), rows)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    "how",
    [{}, {"threat": Patch(3)}, {"rows": torch.tensor([4, 0, 2])}, {"loud": 0.5}, {"crops": True}],
    ids=["added", "patch", "rows", "loud", "crops"],
)
def test_the_gradient_of_a_team_is_that_of_the_whole_batch(size, how):
    """Five images, and three of them: the third process has none of either."""
    whole = pulled(ALONE, **how)
    assert whole.abs().amax() > 1e-3
    torch.testing.assert_close(by_team(partial(pulled, **how), size), whole, rtol=0, atol=1e-12)


def pulled_apart(team):
    """What pulls images of an affine network of two classes, and what separates these."""
    classifier = affine(2)
    some = ImageSet(classifier, torch.rand(7, 1, 3, 4, generator=draws(1), dtype=torch.float64), team=team)
    own = some.at(torch.arange(7)[team.mine(7)])
    found = Pull(problem_of(some), own, classifier.logits(own), away("margin", 1e9), draws(0), count=7)
    return found.gradient(torch.zeros(1, 3, 4, dtype=torch.float64)), some.clean


def test_on_an_affine_network_it_is_the_mean_of_what_separates_the_classes():
    found, clean = by_team(pulled_apart, 2)
    weight = affine(2).module[1].weight.detach()
    assert 0 < clean.sum() < 7
    torch.testing.assert_close(found, (weight[1 - clean] - weight[clean]).mean(0).reshape(1, 3, 4), rtol=0, atol=1e-12)


def images_of(team, dense):
    if not dense:
        return some_images(team=team)
    network = nn.Conv2d(1, 3, 1).double()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([-1.0, 0.5, 2.0]).reshape(3, 1, 1, 1))
        network.bias.copy_(torch.tensor([1.0, 0.5, -0.5]))
    return some_images(PixelRows.of(Classifier(network)), answers=ClassOfPixels(), team=team)


def asked(team, dense):
    some = images_of(team, dense)
    more = [] if dense else [some.clean_logits[:]]
    return [some.predictions(torch.full(some.shape, 0.4, dtype=torch.float64)), some.clean, *more]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("dense", [False, True], ids=["images", "pixels"])
def test_answers_are_those_of_one_process_in_their_order(dense, size):
    """Eleven images, two at a time for each: the last ones are for some of the processes alone."""
    found, expected = by_team(partial(asked, dense=dense), size), asked(ALONE, dense)
    assert not torch.equal(expected[0], expected[1])
    assert all(map(torch.equal, found, expected))


METHODS = {
    "ascent": UniversalAscent(passes=2, batch=4),
    "crops": UniversalAscent(passes=2, batch=4, crops=True),
    "target": UniversalAscent(passes=2, batch=4, target=1),
    "classes": UniversalAscent(passes=2, batch=6, classes=(0, 1)),
    "aggregated": UniversalAscent(passes=2, batch=4, large=8),
    "joint": JointAscent(count=2, passes=3, warm=1, batch=4),
    "sga": SGA(passes=1, batch=6, small=4),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_perturbation_is_that_of_one_process(method):
    """In the 2-norm a step is smooth, so that rounding stays what it is; of classes the second has one of each."""
    count = 3 if method.only else 2
    alone, both = (find_universal(method, problem_of(), workers=workers) for workers in (1, count))
    assert alone.size > 0.1
    for one, other in zip(both.every, alone.every, strict=True):
        torch.testing.assert_close(one.tensor, other.tensor, rtol=0, atol=1e-9)
    for one, other in zip(both.made["passes"], alone.made["passes"], strict=True):
        assert one | {"seconds": 0, "size": 0} == other | {"seconds": 0, "size": 0}
    assert (alone.made["workers"], both.made["workers"]) == (1, count)


def test_killed_after_a_pass_it_ends_with_the_same_bits_and_goes_on_with_others(tmp_path):
    method = UniversalAscent(passes=3, batch=6)
    whole = find_universal(method, problem_of(), workers=2).tensor

    def stop(line):
        raise KeyboardInterrupt

    for workers in (2, 3, 1):
        path = tmp_path / str(workers)
        with pytest.raises(KeyboardInterrupt):
            find_universal(method, problem_of(), checkpoint=path, watch=stop, workers=2)
        assert not multiprocessing.active_children()
        lines = []
        again = find_universal(method, problem_of(), checkpoint=path, watch=lines.append, workers=workers)
        assert [line.number for line in lines] == [2, 3]
        assert torch.equal(again.tensor, whole) if workers == 2 else torch.allclose(again.tensor, whole, atol=1e-9)


def test_images_in_a_file_and_a_judge_of_ones_own():
    some = some_images()
    stored = ImageSet(some.classifier, StoredImages.of([some.images.float()], exact=True), 2)
    method, judge = UniversalAscent(passes=2, batch=4), lambda v: float(v.sum())
    alone, both = (find_universal(method, problem_of(stored), judge, workers=workers) for workers in (1, 2))
    torch.testing.assert_close(both.tensor, alone.tensor, rtol=0, atol=1e-9)
    assert "clean_logits" in vars(stored), "what the others found out stays known"


class Elsewhere(nn.Module):
    """A network that does something in the other process only, after so many calls."""

    def __init__(self, what, after=0):
        super().__init__()
        self.inner, self.what, self.left = convolutional().module, what, after

    def forward(self, images):
        if multiprocessing.parent_process() is not None:
            self.left -= 1
            if self.left < 0 and self.what == "dies":
                os._exit(9)
            if self.left < 0 and self.what == "fails":
                raise KeyError("lost")
        answer = self.inner(images)
        return answer + 1 if self.what == "differs" and multiprocessing.parent_process() is not None else answer


def sought(module):
    return find_universal(METHODS["ascent"], problem_of(some_images(Classifier(module))), workers=2)


def test_one_that_dies_ends_the_search_in_a_sentence():
    with pytest.raises(RunError, match=r"^one of 2 processes that went in step is gone; .*the same command goes on"):
        sought(Elsewhere("dies", 6))
    assert not torch.distributed.is_initialized()
    assert not multiprocessing.active_children()


def test_an_error_of_another_process_comes_as_itself():
    with pytest.raises(Exception, match="lost"):
        sought(Elsewhere("fails"))


def test_another_network_is_noticed():
    with pytest.raises(RunError, match=r"^in another process the network answers otherwise: \d+ answers differ by up"):
        sought(Elsewhere("differs"))


@dataclass(frozen=True)
class Fresh:
    """Gives the network to a process without the autocast that it has inherited, which one that begins anew has not."""

    classifier: Classifier

    def __call__(self, device):
        torch.set_autocast_enabled("cpu", False)
        return self.classifier


def test_autocast_around_the_search_is_that_of_all():
    problem = problem_of(some_images(Classifier(convolutional().module.float())))
    method = UniversalAscent(passes=1, batch=4)
    with torch.autocast("cpu", torch.bfloat16):
        alone = find_universal(method, problem)
        with shared(method, problem, 2, Fresh(problem.classifier)) as together:
            found = searched(method, together)
    full = find_universal(method, problem)
    assert (found.tensor - alone.tensor).norm() < 0.2 * (full.tensor - alone.tensor).norm()


@pytest.mark.parametrize("method", [UniversalDeepFool(DeepFool()), GDUAP(prior="data")], ids=["uap", "gd-uap"])
def test_what_one_process_makes_alone_is_refused(method):
    with pytest.raises(InputError, match=r"^workers is 2, and .* makes each step in one process; leave workers out"):
        find_universal(method, problem_of(threat=Lp("inf", 0.1)), workers=2)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match=r"workers is 3, and each needs two of the 4 images of a step; take 2 at most"):
        find_universal(METHODS["ascent"], problem_of(), workers=3)
    with pytest.raises(InputError, match=r"workers is 6, and each needs two of the 11 images .*; take 5 at most"):
        find_universal(UniversalAscent(batch=20), problem_of(), workers=6)
    with pytest.raises(InputError, match="workers is 0; expected"):
        find_universal(METHODS["ascent"], problem_of(), workers=0)
    module = convolutional().module
    module.lock = threading.Lock()
    with pytest.raises(InputError, match=r"^what is shared cannot be sent to other processes: .*lock"):
        sought(module)


def test_aggregated_steps_take_all_pixels_of_their_images():
    some = images_of(ALONE, dense=True)
    method = UniversalAscent(passes=1, batch=4, large=8)
    alone, both = (find_universal(method, problem_of(some), workers=workers) for workers in (1, 2))
    assert alone.size > 0.1
    torch.testing.assert_close(both.tensor, alone.tensor, rtol=0, atol=1e-9)
