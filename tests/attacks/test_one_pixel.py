"""The one-pixel attack: the rules of the evolution, planted pixels, and the queries it costs."""

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

from brittle import (
    Classifier,
    InputError,
    LeastLikely,
    Lp,
    OnePixel,
    Pixels,
    RandomNoise,
    SmallestRadius,
    Targeted,
    UnsupportedThreat,
    run,
)
from brittle.attacks import one_pixel
from brittle.attacks.one_pixel import (
    OnePixelState,
    _cells,
    _children,
    _first,
    _fitness,
    _log_odds,
    _painted,
    _parents,
    _pictures,
    _selected,
)
from brittle.base.bounds import Bounds
from brittle.core.problem import Problem

SMALL = OnePixel(population=16, generations=6)


class Planted(nn.Module):
    """Only the pixel (3, 1) matters: class 1 once its first channel is above 0.95, class 2 once below 0.05."""

    def forward(self, x: Tensor) -> Tensor:
        pixel = x[:, 0, 3, 1]
        ramp = 4 * (pixel - 0.95), 4 * (0.05 - pixel)
        return torch.stack([torch.zeros_like(pixel), *ramp], 1)


def planted() -> tuple[Classifier, Tensor]:
    return Classifier(Planted()), middle(6, (2, 6, 5)).float()


def randomness(population: int = 7, images: int = 500) -> Tensor:
    return torch.rand(images, 3, population, generator=torch.Generator().manual_seed(0))


def test_the_parents_are_three_others():
    parents = _parents(randomness())
    own = torch.arange(7).expand(500, 1, 7)
    four = torch.cat([own, parents], 1)
    assert parents.shape == (500, 3, 7)
    assert ((four >= 0) & (four < 7)).all()
    assert (four.sort(1).values.diff(dim=1) > 0).all(), "two of the four are the same"


def test_all_parents_are_equally_likely():
    parents = _parents(randomness(5, 20000))
    for turn in range(3):
        counts = torch.bincount(parents[:, turn, 2], minlength=5)
        assert counts[2] == 0
        assert counts[torch.tensor([0, 1, 3, 4])] / 20000 == pytest.approx(0.25, abs=0.02)
    pairs = torch.bincount(parents[:, 0, 0] * 5 + parents[:, 2, 0], minlength=25)
    assert (pairs > 0).sum() == 12, "some ordered pairs of others never meet"


def test_random_numbers_next_to_one_stay_in_the_population():
    nearly = torch.full((1, 3, 400), 1 - 2**-24)
    assert _parents(nearly).max() < 400


def test_a_child_is_the_published_combination_on_the_edge_where_it_leaves():
    genes = torch.rand(2, 6, 1, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    random = randomness(6, 2)
    parents, children = _parents(random), _children(genes, random, 0.5)
    for image in range(2):
        for place in (0, 3, 5):
            first, second, third = genes[image, parents[image, :, place]]
            expected = (first + 0.5 * (second - third)).clamp(0, 1)
            torch.testing.assert_close(children[image, place], expected)
    assert ((children == 0) | (children == 1)).any()


def test_a_child_takes_the_place_of_its_own_parent_and_only_if_better():
    genes = torch.rand(1, 4, 2, 3)
    parents = OnePixelState(genes, torch.tensor([[1.0, 2.0, 3.0, -torch.inf]]))
    children = OnePixelState(1 - genes, torch.tensor([[1.5, 2.0, 2.9, -9.0]]))
    chosen = _selected(parents, children)
    assert chosen.fitness.tolist() == [[1.5, 2.0, 3.0, -9.0]]
    expected = torch.stack([1 - genes[0, 0], genes[0, 1], genes[0, 2], 1 - genes[0, 3]])
    assert torch.equal(chosen.genes[0], expected)


def test_candidates_are_described_by_what_they_paint():
    """Equal rows for equal pictures, different rows for different ones; zeros where nothing is painted."""
    images = torch.full((2, 1, 4, 4), 0.5)
    spot, moved, below = [0.30, 0.6, 0.2], [0.45, 0.7, 0.2], [0.51, 0.6, 0.2]  # the same cell; in the next row
    grey, blank = [0.30, 0.6, 0.5], [0.9, 0.9, 0.5]
    genes = torch.tensor([[[spot, blank], [moved, blank], [below, blank], [spot, grey], [grey, spot], [blank, grey]]])
    described = _pictures(images, genes.repeat(2, 1, 1, 1), Bounds(0, 1))
    painted = _painted(images[:1].repeat(6, 1, 1, 1), genes[0], Bounds(0, 1)).flatten(1)
    same = (described[0][:, None] == described[0]).all(2)
    assert same[0].tolist() == [True, True, False, False, False, False]
    assert not (same & ~(painted[:, None] == painted).all(2)).any(), "one description for two pictures"
    assert (described[0, [3, 5]] == 0).all(), "what is painted over again, or grey on grey, changes nothing"
    assert torch.equal(described[0], described[1])


def test_a_child_that_paints_the_same_picture_is_no_better_for_rounding():
    """What its parent was rated is what it is rated, to the last digit; the other child is asked about."""
    run(Watched(), convolutional(), torch.zeros(1, 1, 4, 4).double(), threat=Pixels(1))
    genes = torch.tensor([[[[0.30, 0.6, 0.5]], [[0.30, 0.6, 0.5]]]])
    moved = torch.tensor([[[[0.45, 0.7, 0.5]], [[0.51, 0.6, 0.5]]]])  # within the same cell; in the next row
    parents = OnePixelState(genes, torch.full((1, 2), 1e9).double())
    rated = _fitness(Watched.seen, moved, parents)
    assert rated[0, 0] == 1e9
    assert rated[0, 1] < 1e9
    better = OnePixelState(genes, torch.full((1, 2), -1e9).double())
    chosen = _selected(better, OnePixelState(moved, _fitness(Watched.seen, moved, better)))
    assert torch.equal(chosen.genes, torch.stack([genes[0, 0], moved[0, 1]])[None])


def test_cells_and_painting():
    images = torch.zeros(3, 2, 4, 5)
    genes = torch.tensor([[[0.0, 0.0, 0.1, 0.2]], [[0.99, 0.5, 0.3, 0.4]], [[1.0, 1.0, 0.5, 0.6]]])
    assert _cells(genes, images).tolist() == [[0], [17], [19]]
    painted = _painted(images.clone(), genes, Bounds(-1, 1))
    torch.testing.assert_close(painted[0, :, 0, 0], torch.tensor([-0.8, -0.6]))
    torch.testing.assert_close(painted[1, :, 3, 2], torch.tensor([-0.4, -0.2]))
    torch.testing.assert_close(painted[2, :, 3, 4], torch.tensor([0.0, 0.2]))
    assert (painted != 0).sum() == 5
    twice = torch.tensor([[[0.3, 0.3, 0.1, 0.1], [0.3, 0.3, 0.9, 0.9]]])
    assert torch.equal(_painted(images[:1], twice, Bounds(0, 1))[0, :, 1, 1], torch.tensor([0.9, 0.9]))


class Watched(OnePixel):
    """Keeps the problem that it is given."""

    def perturb(self, problem: Problem) -> None:
        Watched.seen = problem


def test_the_first_candidates_follow_the_published_distributions():
    run(Watched(), convolutional(3), middle(8, (3, 5, 4)), threat=Pixels(3))
    genes = _first(Watched.seen, 400, 3)
    assert genes.shape == (8, 400, 3, 5)
    assert ((genes >= 0) & (genes <= 1)).all()
    rows = (genes[..., 0] * 5).long().flatten().bincount()
    assert (rows / rows.sum()).tolist() == pytest.approx([0.2] * 5, abs=0.02)
    values = genes[..., 2:]
    assert float((values == 0).double().mean()) == pytest.approx(0.1567, abs=0.01)  # Phi(-128 / 127)
    assert float((values == 1).double().mean()) == pytest.approx(0.1587, abs=0.01)  # Phi(-1)
    assert float(values.median()) == pytest.approx(128 / 255, abs=0.02)


def test_the_log_odds_order_as_the_probability_does_and_do_not_saturate():
    logits = 5 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(50) % 4
    p = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(_log_odds(logits, labels), (p / (1 - p)).log())
    sure = torch.tensor([[40.0, 0.0], [50.0, 0.0]])
    assert (sure.softmax(1)[:, 0] == 1).all()
    assert _log_odds(sure, torch.tensor([0, 0])).tolist() == [40, 50]


def test_it_finds_the_one_pixel_that_matters():
    classifier, images = planted()
    noise = run(RandomNoise(draws=30), classifier, images, threat=Pixels(1))
    assert not noise.success.all()
    result = run(OnePixel(population=50, generations=20), classifier, images, threat=Pixels(1))
    assert result.success.all()
    changed = (result.adversarial != images).any(1)
    assert (changed.flatten(1).sum(1) == 1).all()
    assert changed[:, 3, 1].all()
    assert (result.size == 1).all()


@pytest.mark.parametrize("target", [1, 2])
def test_it_reaches_the_target(target):
    classifier, images = planted()
    goal = Targeted(torch.full((6,), target))
    result = run(OnePixel(population=50, generations=20), classifier, images, goal=goal, threat=Pixels(1))
    assert result.success.all()
    assert (result.prediction == target).all()
    assert ((result.adversarial[:, 0, 3, 1] > 0.5) == (target == 1)).all()


@pytest.mark.parametrize("pixels", [1, 3, 5])
def test_no_more_than_so_many_pixels_change(pixels):
    classifier, images = affine(shape=(3, 6, 6)), middle(10, (3, 6, 6))
    result = run(SMALL, classifier, images, threat=Pixels(pixels))
    changed = (result.adversarial != images).any(1).flatten(1).sum(1)
    assert (changed <= pixels).all()
    assert (changed[~result.success] >= 1).all()
    found = result.success
    assert torch.equal(result.size[found], changed[found].to(images.dtype))


def test_more_pixels_break_more():
    classifier, images = affine(shape=(1, 24, 24)), middle(12, (1, 24, 24))
    counts = [int(run(SMALL, classifier, images, threat=Pixels(pixels)).success.sum()) for pixels in (1, 5)]
    assert counts[0] < counts[1]


@pytest.mark.parametrize("batch", [7, 64])
def test_the_queries_are_exact(batch):
    """An unsolved image costs every candidate of every generation, the clean and the verifying pass."""
    constant = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
    nn.init.zeros_(constant.module[1].weight)
    result = run(SMALL, constant, middle(3).float(), threat=Pixels(3), batch=batch)
    assert not result.success.any()
    assert (result.forward == 16 * 7 + 2).all()
    assert (result.backward == 0).all()
    assert (result.iterations == 6).all()


def ask_about_all(monkeypatch):
    monkeypatch.setattr(one_pixel, "first_equal", lambda rows: torch.arange(rows.shape[1]).expand(rows.shape[:2]))


def test_broken_images_leave_and_cost_no_more(monkeypatch):
    ask_about_all(monkeypatch)
    classifier, images = convolutional(), middle(12, (1, 6, 6))
    result = run(OnePixel(20, 10, stop="success"), classifier, images, threat=Pixels(1))
    assert result.success.any()
    assert not result.success.all()
    assert (result.forward == 20 * (result.iterations + 1) + 2).all()
    assert (result.iterations[~result.success] == 10).all()
    assert (result.iterations[result.success] < 10).any()


@pytest.mark.parametrize(("shape", "fraction"), [((1, 4, 4), 0.8), ((3, 3, 3), 0.9)])
def test_what_is_known_is_not_asked_again_and_changes_nothing(shape, fraction, monkeypatch):
    """One grey pixel on a black and white image: many children paint what was there, or what others have painted."""
    classifier, images = convolutional(shape[0]), middle(6, shape).round()
    attack = OnePixel(population=30, generations=15)
    frugal = run(attack, classifier, images, threat=Pixels(1))
    ask_about_all(monkeypatch)
    lavish = run(attack, classifier, images, threat=Pixels(1))
    torch.testing.assert_close(frugal.adversarial, lavish.adversarial)
    assert torch.equal(frugal.success, lavish.success)
    assert torch.equal(frugal.iterations, lavish.iterations)
    assert (lavish.forward == 30 * (lavish.iterations + 1) + 2).all()
    assert frugal.forward.sum() < fraction * lavish.forward.sum()


def test_no_picture_is_shown_twice_in_a_generation():
    shown: list[Tensor] = []

    class Black(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            shown.extend(x.flatten(1).unbind())
            return torch.zeros(len(x), 3)

    image = torch.zeros(1, 1, 3, 3)
    result = run(OnePixel(200, 0), Classifier(Black()), image, torch.tensor([0]), threat=Pixels(1))
    pictures = torch.stack(shown)
    assert int(result.forward) < 202
    candidates = pictures[1:-1]  # between the first look at the image and the last at the result
    assert (candidates != 0).any(1).all(), "the image itself is asked about again"
    assert len(candidates.unique(dim=0)) == len(candidates)


def test_stopping_at_confidence_goes_on_after_success():
    classifier, images = convolutional(), middle(12, (1, 6, 6))
    early = run(OnePixel(20, 10, stop="success"), classifier, images, threat=Pixels(1))
    late = run(OnePixel(20, 10, label_probability=0.15), classifier, images, threat=Pixels(1))
    assert torch.equal(late.success, early.success)
    assert (late.iterations >= early.iterations).all()
    assert (late.margin >= early.margin).all()
    assert (late.margin > early.margin).any()
    label = classifier.logits(late.adversarial).softmax(1).gather(1, early.clean_prediction[:, None])[:, 0]
    stopped = late.iterations < 10
    assert stopped.any()
    assert not stopped.all()
    assert (label[stopped] < 0.15).all()


def test_a_targeted_attack_stops_at_its_own_probability():
    classifier, images = planted()
    result = run(OnePixel(100, 30, target_probability=0.36), classifier, images, goal=LeastLikely(), threat=Pixels(1))
    assert (result.confidence[result.iterations < 30] > 0.36).all()
    assert (result.iterations < 30).any()


def test_a_low_label_probability_is_no_success_among_many_classes():
    """Two images lie between 40 classes, far below 5 % for the label; only a change of class ends the search."""

    class Many(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            others = torch.zeros(len(x), 39).to(x)
            return torch.cat([0.5 + x.flatten(1)[:, :1] * 0, others], 1)

    result = run(SMALL, Classifier(Many()), middle(2).float(), threat=Pixels(1))
    assert (result.iterations == 6).all()
    assert not result.success.any()


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("batch", [7, 33])
def test_every_image_is_on_its_own(pixels, batch):
    classifier, images = convolutional(3), middle(7, (3, 5, 4))
    attack = OnePixel(population=10, generations=4)
    whole = run(attack, classifier, images, threat=Pixels(pixels), seed=2)
    cut = run(attack, classifier, images, threat=Pixels(pixels), seed=2, batch=batch)
    torch.testing.assert_close(cut.adversarial, whole.adversarial)
    assert torch.equal(cut.forward, whole.forward)
    alone = run(attack, classifier, images[4:5], threat=Pixels(pixels), seed=2, ids=torch.tensor([4]))
    torch.testing.assert_close(alone.adversarial[0], whole.adversarial[4])


def test_no_more_points_in_a_pass_than_the_batch():
    classifier, passes = convolutional(), []
    handle = classifier.module.register_forward_hook(lambda _, images, __: passes.append(len(images[0])))
    run(OnePixel(population=50, generations=1), classifier, middle(4), threat=Pixels(3), batch=64)
    handle.remove()
    assert max(passes) == 64
    assert passes.count(64) >= 3, "passes are not full: images do not share them"


def test_a_budget_ends_it():
    result = run(SMALL, affine(), middle(4), threat=Pixels(1), budget=30)
    assert (result.forward <= 16 * 2 + 2).all()


def test_a_black_box_of_probabilities_gives_what_the_network_gives():
    white, images = convolutional(3), middle(6, (3, 5, 4))
    module = white.module.float()

    def box(x: Tensor) -> Tensor:
        answer = module(torch.from_numpy(x.numpy())).softmax(1)
        return torch.from_numpy(answer.detach().numpy())

    black = run(SMALL, Classifier(box, probabilities=True), images.float(), threat=Pixels(3))
    assert black.success.any()
    assert (black.backward == 0).all()
    fresh = module(black.adversarial).argmax(1)
    assert (fresh[black.success] != black.clean_prediction[black.success]).all()
    assert torch.equal(run(SMALL, white, images.float(), threat=Pixels(3)).success, black.success)


def test_the_smallest_number_of_pixels():
    classifier, images = affine(shape=(1, 6, 6)), middle(8, (1, 6, 6))
    fixed = run(SMALL, classifier, images, threat=Pixels(6))
    result = run(SmallestRadius(SMALL, steps=5), classifier, images, threat=Pixels(torch.inf))
    assert result.success.all()
    assert (result.size[fixed.success] <= 7).all()
    assert (result.size.unique() > 0).all()
    each = run(SMALL, classifier, images, threat=Pixels(torch.arange(1.0, 9.0)))
    assert (each.size[each.success] <= torch.arange(1.0, 9.0)[each.success]).all()
    alone = run(SMALL, classifier, images[3:4], threat=Pixels(4), ids=torch.tensor([3]))
    torch.testing.assert_close(alone.adversarial[0], each.adversarial[3])


@pytest.mark.parametrize("radius", [torch.inf, 1.5, 0, torch.tensor([1.0, 2.5])])
def test_radii_that_are_no_number_of_pixels(radius):
    with pytest.raises(
        InputError, match=r"OnePixel changes a whole number of pixels and was given .*; say Pixels\(1\)"
    ):
        run(SMALL, affine(), middle(2), threat=Pixels(radius))


def test_other_norms_are_refused():
    with pytest.raises(UnsupportedThreat, match="OnePixel cannot measure changes by l0; it knows pixels"):
        run(SMALL, affine(), middle(2), threat=Lp(0, 1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"population": 3}, "population is 3; expected at least 4"),
        ({"generations": -1}, "generations is -1; expected at least 0"),
        ({"factor": -0.1}, "factor is -0.1; expected at least 0"),
        ({"target_probability": 1.0}, "target_probability is 1.0; expected a probability between 0 and 1"),
        ({"label_probability": 0}, "label_probability is 0; expected a probability"),
    ],
)
def test_hyper_parameters_that_mean_nothing(fields, message):
    with pytest.raises(InputError, match=message):
        OnePixel(**fields)
    unchecked = getattr(OnePixel.__init__, "__wrapped__", OnePixel.__init__)
    with pytest.raises(InputError, match="stop is 'never'; expected 'confident' or 'success'"):
        unchecked(object.__new__(OnePixel), stop="never")


def test_the_published_settings():
    attack = OnePixel()
    assert (attack.population, attack.generations, attack.factor) == (400, 100, 0.5)
    assert (attack.stop, attack.target_probability, attack.label_probability) == ("confident", 0.9, 0.05)
