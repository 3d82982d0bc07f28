"""`run`: what it says of every image."""

from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest
import torch
from affine import convolutional, middle

from brittle import (
    FGSM,
    PGD,
    Attack,
    BasicIterative,
    DeepFool,
    Lp,
    Problem,
    RandomNoise,
    Targeted,
    Untargeted,
    run,
)

RADIUS = Lp("inf", 0.1)


def test_a_budget_is_enforced():
    images, threat = middle(20), Lp("inf", 0.2)
    attack = PGD(steps=30, random_start=False, step_size=0.01)
    free, tight, wide = (run(attack, convolutional(), images, threat=threat, budget=n) for n in (None, 9, 10_000))
    assert torch.equal(wide.adversarial, free.adversarial)
    cheap = free.forward + free.backward <= 9 + 1  # with the backward pass of the graph that they leave
    assert cheap.any()
    assert not cheap.all()
    assert torch.equal(tight.success, free.success & cheap)
    assert (tight.forward + tight.backward <= 9 + 1).all()  # the backward pass of the step under way


@dataclass(frozen=True)
class Insatiable(RandomNoise):
    """Does not stop at a success."""

    def perturb(self, problem: Problem) -> None:
        for _ in range(self.draws):
            problem.probe(problem.threat.draw(problem.images, problem.streams, problem.ids, problem.classifier.bounds))


def test_what_is_found_beyond_the_budget_does_not_count():
    images, threat = middle(20), Lp("inf", 0.3)
    first = run(Insatiable(3), convolutional(), images, threat=threat)
    cut = run(Insatiable(30), convolutional(), images, threat=threat, budget=5)
    assert torch.equal(cut.success, first.success)
    torch.testing.assert_close(cut.size, first.size)
    assert (cut.forward == 5).all()


def test_the_trace_has_a_row_per_image_and_a_column_per_look():
    images, threat = middle(10), Lp("inf", 0.02)
    attack = PGD(steps=5, random_start=False)
    result = run(attack, convolutional(), images, threat=threat, trace=True, batch=4)
    assert run(attack, convolutional(), images, threat=threat).trace is None
    assert result.trace.shape == (10, 6)
    looks = torch.isfinite(result.trace).sum(1)
    assert torch.equal(looks, result.iterations + 1)
    clean = convolutional().logits(images)
    torch.testing.assert_close(result.trace[:, 0], Untargeted(clean.argmax(1)).margin(clean).detach())
    last = result.trace.gather(1, (looks - 1)[:, None])[:, 0]
    torch.testing.assert_close(last[result.success], result.margin[result.success])
    assert (last[result.success] > 0).all()
    assert result.success.any()
    assert not result.success.all()


def test_the_trace_of_a_batch_that_is_wrong_already_is_empty():
    labels = (convolutional().logits(middle()).argmax(1) + 1) % 4
    assert run(FGSM(), convolutional(), middle(), labels, threat=RADIUS, trace=True).trace.shape == (12, 0)


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (10, 99), (0, 4)])
def test_progress_adds_up(count, batch):
    seen = []
    run(FGSM(), convolutional(), middle(count), threat=RADIUS, batch=batch, progress=seen.append)
    assert sum(seen) == count
    assert max(seen) <= batch


def test_targeted_with_and_without_labels():
    classifier, images = convolutional(), middle(20)
    clean = classifier.logits(images).argmax(1)
    targets = (clean + torch.arange(20) % 4) % 4
    plain = run(DeepFool(), classifier, images, goal=Targeted(targets), threat=Lp(2), batch=7)
    assert torch.equal(plain.already, targets == clean)
    assert (plain.size[plain.already] == 0).all()
    assert torch.equal(plain.prediction[plain.success], targets[plain.success])
    assert plain.success.sum() >= 12
    labels = clean.clone()
    labels[:10] = (labels[:10] + 1) % 4
    labelled = run(DeepFool(), classifier, images, labels, goal=Targeted(targets), threat=Lp(2), batch=7)
    assert not labelled.success[:10].any()
    assert torch.equal(labelled.success[10:], plain.success[10:])
    assert torch.equal(labelled.adversarial, plain.adversarial)


def test_plain_labels_mean_the_untargeted_goal_and_wrong_images_are_no_success():
    classifier, images = convolutional(), middle()
    clean = classifier.logits(images).argmax(1)
    labels = clean.clone()
    labels[::3] = (labels[::3] + 1) % 4
    result = run(DeepFool(), classifier, images, labels, threat=Lp(2))
    assert torch.equal(result.already, labels != clean)
    assert torch.equal(result.adversarial[::3], images[::3])
    assert not result.success[::3].any()
    assert (result.size[::3] == 0).all()
    assert torch.equal(result.success, ~result.already)
    same = run(DeepFool(), classifier, images, goal=Untargeted(labels), threat=Lp(2))
    assert torch.equal(same.adversarial, result.adversarial)


def test_identities_determine_the_draws():
    images = middle(4)
    ids = torch.tensor([90, 3, 17, 4])
    whole = run(RandomNoise(3), convolutional(), images, threat=RADIUS, ids=ids)
    alone = run(RandomNoise(3), convolutional(), images[2:3], threat=RADIUS, ids=torch.tensor([17]))
    assert torch.equal(alone.adversarial[0], whole.adversarial[2])
    assert not torch.equal(run(RandomNoise(3), convolutional(), images, threat=RADIUS).adversarial, whole.adversarial)


def test_the_table_survives_parquet(tmp_path):
    result = run(DeepFool(), convolutional(), middle(7), threat=Lp(2), trace=True)
    pq.write_table(result.table(), tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.num_rows == 7
    assert set(table.column_names) == {
        "success", "already", "size", "l0", "l1", "l2", "linf", "pixels", "flow", "clean_prediction",
        "clean_confidence", "prediction", "confidence", "margin", "forward", "backward", "iterations", "seconds",
        "nonfinite_outputs", "nonfinite_gradients", "index", "label", "correct",
    }  # fmt: skip
    assert table["label"].equals(table["clean_prediction"])
    assert table["index"].to_pylist() == [*range(7)]
    for name in set(table.column_names) - {"index", "label"}:
        assert table[name].to_pylist() == getattr(result, name).tolist()
    assert run(DeepFool(), convolutional(), middle(0), threat=Lp(2)).table().num_rows == 0


def test_columns_say_what_they_promise():
    classifier, images = convolutional(), middle(9)
    result = run(DeepFool(), classifier, images, threat=Lp("inf"))
    change = (result.adversarial - images).flatten(1)
    torch.testing.assert_close(result.l0, (change != 0).sum(1).double())
    torch.testing.assert_close(result.l1, change.abs().sum(1))
    torch.testing.assert_close(result.l2, change.norm(dim=1))
    torch.testing.assert_close(result.linf, change.abs().amax(1))
    assert torch.equal(result.size, result.linf)
    confidence, prediction = classifier.logits(result.adversarial).softmax(1).max(1)
    assert torch.equal(result.prediction, prediction)
    torch.testing.assert_close(result.confidence, confidence.detach())
    confidence, prediction = classifier.logits(images).softmax(1).max(1)
    assert torch.equal(result.clean_prediction, prediction)
    torch.testing.assert_close(result.clean_confidence, confidence.detach())
    assert (result.seconds > 0).all()
    assert len(result) == 9


@dataclass(frozen=True)
class Cheat(Attack):
    """Writes its lie into the record, past the probe."""

    def perturb(self, problem: Problem) -> None:
        problem.record.size[problem.ids] = 1e-9


def test_the_last_word_has_a_fresh_forward_pass():
    result = run(Cheat(), convolutional(), middle(), threat=Lp(2))
    assert not result.success.any()
    assert torch.isinf(result.size).all()


def test_radii_per_image_do_not_change_the_papers_steps_of_the_others():
    images = middle(8)
    radius = torch.tensor([0.1, 0.02] * 4, dtype=torch.float64)
    together = run(BasicIterative(), convolutional(), images, threat=Lp("inf", radius))
    for r in (0.1, 0.02):
        apart = run(BasicIterative(), convolutional(), images[radius == r], threat=Lp("inf", r))
        torch.testing.assert_close(together.adversarial[radius == r], apart.adversarial)
        assert torch.equal(together.iterations[radius == r], apart.iterations)
