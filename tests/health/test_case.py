"""What checks share: the case they look at, how its passes are counted, gradients, weights, and what is found."""

import pytest
import torch
from made_up_audits import BOX, NOISE, SEARCH, STEPS, Bright, Brightens, attempt, case, images_of, rows, verdict
from torch import Tensor, nn

from brittle import Classifier, Flow, Lp, Pixels
from brittle.classifiers.frozen import preserving_state
from brittle.data import open_source
from brittle.errors import InputError
from brittle.evaluation.audit import audit
from brittle.health import examine as examining
from brittle.health.check import Check, Outcome, graded
from brittle.health.context import HealthContext
from brittle.health.counting import CountingClassifier
from brittle.health.examine import CHECKS, examine
from brittle.health.gradients import GRADIENTS, OPTIMISES
from brittle.health.thorough import MORE_RESTARTS, THOROUGH_CHECKS
from brittle.health.weights import WEIGHTS
from brittle.models.network import digest_of
from brittle.runs.finding import Finding, Health


def test_an_attempt_knows_what_it_is():
    kinds = {
        name: (of.gradients, of.baseline, of.black_box, of.fixed, of.radius, of.norm)
        for name, of in {
            "steps": attempt(STEPS, rows(1)),
            "search": attempt(SEARCH, rows(1), Lp("2")),
            "noise": attempt(NOISE, rows(1), Flow(2.0)),
            "box": attempt(BOX, rows(1), Pixels(3)),
        }.items()
    }
    assert kinds == {
        "steps": (True, False, False, True, 0.1, "linf"),
        "search": (True, False, False, False, None, "l2"),
        "noise": (False, True, False, True, 2.0, "flow"),
        "box": (False, False, True, True, 3.0, "pixels"),
    }


def test_a_case_counts_and_finds_its_rows():
    table = rows(6, [4], [0], index=[10, 20, 30, 40, 50, 60], forward=[1, 2, 3, 4, 5, 6], backward=[10] * 6)
    made = case(
        *[attempt(STEPS, table), attempt(NOISE, rows(6, [], [0], index=[10, 20, 30, 40, 50, 60]))],
        images=images_of(0.1, 0.2),
        index=torch.tensor([20, 50]),
        threat=Lp("2", 0.5),
        bounds=(-1.0, 2.0),
    )
    assert made.attempts[0].cost.tolist() == [11, 12, 13, 14, 15, 16]
    assert made.passes == 81 + 6 * 20
    assert made.rows.tolist() == [1, 4]
    assert made.correct.tolist() == [False, True, True, True, True, True]
    assert (made.norm, made.radius, made.span) == ("l2", 0.5, 3.0)
    assert [one.attack for one in made.attacked()] == [STEPS]
    assert [one.attack for one in made.attacked(gradients=False)] == [NOISE]
    assert case(attempt(STEPS, table), threat=Lp("2")).radius is None


@pytest.mark.parametrize(
    ("passes", "fraction", "cost", "count"), [(0, 0.2, 9, 1), (9000, 0.2, 9, 8), (8990, 0.2, 9, 7), (99999, 0.2, 9, 20)]
)
def test_how_many_images_a_check_can_afford(passes: int, fraction: float, cost: float, count: int):
    """Of the audit's passes 4 %, of which this group of checks may take a fifth."""
    table = rows(20, forward=[passes] + [0] * 19, backward=[0] * 20)
    assert case(attempt(STEPS, table), thorough=False).affordable_images(fraction, cost) == count
    assert case(attempt(STEPS, table), thorough=True).affordable_images(fraction, cost) == 20
    assert case(attempt(STEPS, table), thorough=False).probed == count, "the checks of the outputs take so much"


def test_images_are_probed_in_batches_and_outputs_are_taken_five_times():
    sizes: list[int] = []

    class Sizes(Bright):
        def forward(self, images: Tensor) -> Tensor:
            sizes.append(len(images))
            return super().forward(images) + len(sizes)

    made = case(attempt(STEPS, rows(7)), module=Sizes(), batch=3)
    assert made.outputs.shape == (5, 7, 2)
    assert sizes == [3, 3, 1] * 5
    assert bool((made.outputs[1:] > made.outputs[:-1]).all())


def test_the_meter_counts_passes_and_tells_who_listens_until_it_fails():
    inner = Classifier(Bright(), (-1.0, 3.0))
    meter = CountingClassifier(inner)
    assert meter.metered().bounds == inner.bounds
    images = images_of(0.1, 0.2, 0.3).requires_grad_()
    told: list[tuple[Tensor, Tensor]] = []

    def fails(images: Tensor, logits: Tensor) -> None:
        raise KeyError

    def tells(images: Tensor, logits: Tensor) -> None:
        told.append((images, logits))

    with meter.heard(tells):
        logits = meter.metered().logits(images)
    assert meter.passes == 3
    logits.sum().backward()
    assert meter.passes == 6
    assert not told[0][0].requires_grad
    assert not told[0][1].requires_grad
    assert torch.equal(told[0][1], logits.detach())
    with pytest.raises(KeyError), meter.heard(fails):
        meter(images)
    meter(images.detach())
    assert len(told) == 1


class Steep(nn.Module):
    """Its gradient depends on the flag: 0 has both, 1/4 none of the cross-entropy, 1/2 none, 3/4 no finite one."""

    def forward(self, images: Tensor) -> Tensor:
        first, flag = images[:, 0, 0, 0], images[:, 0, 0, 1]
        lead = torch.where(flag == 0.25, 1e4, 1.0) * (1 - first)
        lead = torch.where(flag == 0.5, 3.0 * torch.ones_like(first), lead)
        lead = lead + torch.where(flag == 0.75, 0 * first, torch.ones_like(first)).sqrt()
        return torch.stack([lead, 0 * first + 0.1, 0 * first - 5], 1)


@pytest.mark.parametrize(
    ("saturated", "flat", "broken", "status"),
    [
        (0, 0, 0, "pass"),
        (1, 0, 0, "warn"),
        (2, 0, 0, "warn"),  # 10 %
        (3, 0, 0, "fail"),
        (0, 1, 0, "fail"),
        (0, 0, 1, "fail"),
        (2, 1, 1, "fail"),
    ],
)
def test_gradients_that_are_zero_or_no_numbers(saturated: int, flat: int, broken: int, status: str):
    flags = [0.25] * saturated + [0.5] * flat + [0.75] * broken
    images = images_of(*[0.4] * 20, flags=flags + [0.0] * (20 - len(flags)))
    made = case(attempt(STEPS, rows(20)), images=images, module=Steep(), batch=6)
    finding = GRADIENTS(made)
    none, entropy = flat + broken, saturated + flat + broken
    assert verdict(finding) == (status, entropy / 20)
    assert finding.text == (
        f"{none} of 20 images have a gradient that is zero or not finite for the margin, {entropy} for "
        "the cross-entropy"
    )
    unused = case(attempt(BOX, rows(20)), images=images, module=Steep())
    assert GRADIENTS(unused).status == ("warn" if status == "fail" else status)


def test_a_network_that_cannot_be_differentiated():
    class Detached(Bright):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.detach())

    used = GRADIENTS(case(attempt(STEPS, rows(3)), module=Detached()))
    assert used.status == "fail"
    assert used.text.startswith("the network cannot be differentiated: ")
    unused = GRADIENTS(case(attempt(BOX, rows(3)), module=Detached()))
    assert unused.status == "skipped"
    assert unused.text.startswith("No attack asked for gradients, and the network cannot be differentiated: ")


def test_how_often_a_network_differentiates_itself():
    class Descends(Bright):
        def forward(self, images: Tensor) -> Tensor:
            with torch.enable_grad():
                for _ in range(3):
                    leaf = images.detach().requires_grad_()
                    (leaf**2).sum().backward()
            return super().forward(images)

    finding = OPTIMISES(case(attempt(STEPS, rows(3)), module=Descends()))
    assert finding.status == "fail"
    assert finding.value >= 3
    assert "autograd inside one forward pass (backward passes, kept tensors used)" in finding.text
    fine = OPTIMISES(case(attempt(STEPS, rows(3))))
    assert verdict(fine) == ("pass", 0.0)
    assert fine.text == "0 calls of autograd inside one forward pass"


def test_weights_that_are_others_afterwards():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.BatchNorm1d(2)).eval()
    before = digest_of(module)
    made = case(attempt(STEPS, rows(2)), module=module, weights=before)
    finding = WEIGHTS(made)
    assert verdict(finding) == ("pass", 0.0)
    assert finding.text == f"7 weights and buffers, sha256 {before[:12]} before, {before[:12]} after"
    with torch.no_grad():
        module[1].bias[0] += 1
    assert verdict(WEIGHTS(made)) == ("fail", 1.0)
    assert WEIGHTS(case(attempt(STEPS, rows(2)), module=module)).status == "skipped"

    class Counts(Bright):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, images: Tensor) -> Tensor:
            self.count += 1
            return super().forward(images)

    writer = Counts()
    made = case(attempt(STEPS, rows(2)), module=writer, weights=digest_of(writer))
    with preserving_state(writer):
        writer(images_of(0.1))
    finding = WEIGHTS(made)
    assert verdict(finding) == ("fail", 1.0)
    assert finding.text.endswith("; buffers changed in forward passes, and were put back after each run")


def test_grades_have_their_limits_in_them():
    values = (0.0, 0.1, 0.1001, 0.2, 0.2001)
    assert [graded(value, 0.1, 0.2, "x") for value in values] == [
        Outcome(status, "x", value)
        for status, value in zip(("pass", "pass", "warn", "warn", "fail"), values, strict=True)
    ]


def check(look, *, asks: bool = True) -> Check:
    return Check("name", "A title", "A rule.", "Somebody", "A remedy.", look, asks=asks)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("first\nsecond"), "first"),
        (RuntimeError("out of luck"), "out of luck"),
        (ValueError(), "ValueError"),
        (TypeError("no"), "no"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_check_that_fails_is_a_warning_with_its_reason(error: Exception, reason: str):
    def look(_: HealthContext) -> Outcome:
        raise error

    finding = check(look)(case(attempt(STEPS, rows(1))))
    assert (finding.status, finding.text) == ("warn", f"The check itself ended with an error: {reason}")
    assert finding.value is None


def test_a_check_that_asks_is_skipped_where_queries_are_budgeted():
    silent, free = case(attempt(STEPS, rows(1)), silent=True), case(attempt(STEPS, rows(1)))
    for asks, of, status in ((True, silent, "skipped"), (False, silent, "pass"), (True, free, "pass")):
        assert check(lambda _: Outcome("pass", "well"), asks=asks)(of).status == status
    asking = [one for one in CHECKS if one.asks]
    assert {one.name for one in CHECKS if not one.asks} == {
        *("images", "iterative", "black-box", "noise", "unlimited", "radius", "rounding", "sample", "strength"),
        *("finite", "refused"),
    }
    for one in (*asking, WEIGHTS):
        one(silent)
    assert silent.meter.passes == 0


def test_an_examination_makes_every_check_and_counts_its_passes(monkeypatch: pytest.MonkeyPatch):
    made = case(attempt(STEPS, rows(8)), thorough=False)
    health = examine(made, "identity")
    assert (health.run, health.thorough) == ("identity", False)
    assert health.passes == made.meter.passes > 0
    assert health.fraction == health.passes / 160
    assert [one.check for one in health.findings] == [*(one.name for one in CHECKS), "weights"]
    monkeypatch.setattr("brittle.health.thorough.DRAWS", 64)
    nothing = case(attempt(STEPS, rows(8, forward=[0] * 8, backward=[0] * 8)))
    thorough = examine(nothing)
    assert (thorough.fraction, thorough.thorough) == (nothing.meter.passes, True)
    assert [one.check for one in thorough.findings][-5:] == [
        *("more-steps", "more-restarts", "more-draws", "all-guessing", "weights")
    ]


@pytest.mark.parametrize(
    ("count", "first"),
    [
        (1, [0]),
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (71, [0, 9, 18, 27, 36, 45, 54, 63, 1, 10, 19, 28, 37, 46, 55, 64, 2]),
    ],
)
def test_images_for_the_checks_are_spread_one_of_each_stretch_in_turn(count: int, first: list[int]):
    source = open_source("digits", max_images=count)
    images, labels, index = examining._spread(source)
    assert index.tolist()[: len(first)] == first
    assert len(set(index.tolist())) == len(index) == min(count, 64)
    block = next(source.blocks(count))
    assert torch.equal(images, block.images[index])
    assert torch.equal(labels, block.labels[index])


def test_an_audit_is_examined_as_it_was_made(tmp_path, monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[HealthContext, str]] = []
    monkeypatch.setattr(examining, "examine", lambda made, run: (seen.append((made, run)), examine(made, run))[1])
    options = {
        "attacks": ["fgsm", "noise:draws=2"],
        "max_images": 5,
        "seed": 7,
        "batch": 3,
        "quantization": 16,
        "eot_samples": 2,
    }
    folder = audit("digits-lenet", "digits", tmp_path / "run", norm="l2", eps=1.5, **options)
    ((made, run),) = seen
    assert (made.seed, made.batch, made.quantization, made.eot_samples, made.silent, made.thorough) == (
        7,
        3,
        16,
        2,
        False,
        False,
    )
    assert made.threat == Lp("2", 1.5)
    assert [(one.title, one.threat) for one in made.attempts] == [
        ("fgsm", Lp("2", 1.5)),
        ("noise:draws=2", Lp("2", 1.5)),
    ]
    block = next(open_source("digits", max_images=5).blocks(5))
    assert torch.equal(made.images, block.images)
    assert torch.equal(made.labels, block.labels)
    assert made.index.tolist() == [0, 1, 2, 3, 4]
    assert [one.table["index"].to_pylist() for one in made.attempts] == [[0, 1, 2, 3, 4]] * 2
    assert (made.weights[:4], run) == (digest_of(made.meter.classifier.module)[:4], folder.manifest.identity)
    assert folder.health().run == run
    audit("digits-lenet", "digits", tmp_path / "silent", attacks=["noise"], eps=0.1, max_images=2, budget=9)
    assert seen[-1][0].silent
    assert seen[-1][0].meter.passes == 0


def finding(status: str, error: str = "either", title: str = "A title") -> Finding:
    return Finding(
        check="name", title=title, status=status, value=None, text="", rule="", source="", remedy="", error=error
    )


def test_what_failed_is_the_headline():
    def health(*findings: Finding) -> Health:
        return Health(run="x", thorough=False, passes=1, fraction=0.1, findings=list(findings))

    fine = health(finding("pass"), finding("warn"), finding("skipped"))
    assert (fine.reliable, fine.headline, fine.flattering) == (True, "", [])
    one = health(finding("warn"), finding("fail", title="Gradients"))
    assert not one.reliable
    assert one.headline == "The evaluation cannot be relied on: a check of it failed; it is “Gradients”."
    two = health(finding("fail", title="First"), finding("fail", title="Second"))
    assert two.headline == "The evaluation cannot be relied on: 2 checks of it failed; the first is “First”."
    assert [one.check for one in two.ordered("warn")] == []


def test_only_failures_that_make_a_network_look_better_flatter():
    flatter = {
        (status, error): finding(status, error).flatters
        for status in ("fail", "warn", "pass", "skipped")
        for error in ("too high", "too low", "either", "uncertain")
    }
    assert [key for key, value in flatter.items() if value] == [("fail", "too high"), ("fail", "either")]


def test_every_look_at_the_network_begins_with_the_random_numbers_of_the_audits_seed(
    monkeypatch: pytest.MonkeyPatch,
):
    seeds: set[int] = set()

    class Notes(Bright):
        def forward(self, images: Tensor) -> Tensor:
            seeds.add(torch.initial_seed())
            return super().forward(images)

    monkeypatch.setattr("brittle.health.thorough.DRAWS", 64)
    made = case(attempt(Brightens(), rows(9, range(5))), attempt(SEARCH, rows(9)), module=Notes(at=0.45), seed=77)
    for one in (*CHECKS, *THOROUGH_CHECKS):
        if one is not MORE_RESTARTS and one.asks:
            assert "ended with an error" not in one(made).text
    assert seeds == {77}
    MORE_RESTARTS(made)
    assert seeds == {77, 78}
