"""Whatever is given to `run` and its parts: a result, or one error that says what is wrong."""

import os
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from odd import (
    FEW,
    IMAGES,
    LABELS,
    LONGEST,
    NETWORK,
    ODD,
    ROWS,
    TENSORS,
    attacks,
    classifiers,
    each,
    goals,
    mostly,
    refusal,
    threats,
)
from torch import nn

from brittle import (
    FGSM,
    PGD,
    BoundsError,
    Cascade,
    Classifier,
    ForwardFailed,
    ImageSet,
    InputError,
    LabelError,
    Lp,
    ModelError,
    Perturbation,
    Restarts,
    Result,
    SmallestRadius,
    Targeted,
    UniversalAscent,
    UniversalProblem,
    find_universal,
    run,
)
from brittle.base.seeds import Streams
from brittle.core.attack import uses_gradients

pytestmark = pytest.mark.skipif("BRITTLE_SHAPES" in os.environ, reason="the run-time checker refuses these first")
LINF, SEEN = Lp("inf", 0.1), Classifier(NETWORK)

USUAL: dict[str, tuple[Any, ...]] = {
    "seed": (0, np.int64(3)),
    "batch": (2, 256),
    "budget": (None, 5),
    "quantization": (None, 256),
    "eot_samples": (1, 2),
    "trace": (False, True),
    "progress": (None, len),
}


@FEW
@given(
    attack=attacks,
    classifier=classifiers,
    threat=threats,
    goal=goals,
    images=st.one_of(mostly(IMAGES, (IMAGES * 255).to(torch.uint8)), each(TENSORS)),
    labels=st.one_of(mostly(None, LABELS), each(ROWS)),
    ids=st.one_of(mostly(None), each(ROWS)),
    options=st.fixed_dictionaries({}, optional={name: mostly(*usual) for name, usual in USUAL.items()}),
)
def test_run_gives_a_result_or_one_error(attack, classifier, threat, goal, images, labels, ids, options):
    def call():
        given = {name: value() for name, value in options.items()}
        if callable(given.get("progress")):
            given["progress"] = None  # it would be told numbers that not every function takes
        if isinstance(eot_samples := given.get("eot_samples"), int) and eot_samples > 3:
            given["eot_samples"] = 3  # more are meant, and take their time
        made = run(attack(), classifier(), images(), labels(), threat=threat(), goal=goal(), ids=ids(), **given)
        assert isinstance(made, Result)

    assert 0 < len(refusal(call) or "a result") < LONGEST


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("attack", PGD, "attack is the class PGD; expected an attack, such as"),
        ("attack", "pgd", "attack is 'pgd'; expected an attack"),
        ("classifier", NETWORK, r"classifier is a Sequential; expected a classifier: Classifier\(module\), or"),
        ("classifier", [SEEN], "classifier is a list; expected a classifier"),
        ("threat", "linf", r"threat is 'linf'; expected a threat, such as Lp\('inf', 8 / 255\)"),
        ("threat", Lp, "threat is the class Lp; expected a threat"),
        ("goal", 3, r"goal is 3; expected a goal, such as Targeted\(labels\), or LeastLikely\(\), or None"),
        ("batch", 1.5, "batch is 1.5; expected a whole number"),
        ("batch", True, "batch is True; expected a whole number"),
        ("batch", 2**70, "expected a whole number below 2"),
        ("eot_samples", "2", "eot_samples is '2'; expected a whole number"),
        ("seed", -1, "seed is -1; expected at least 0"),
        ("seed", 2**63, "seed is 9223372036854775808; expected a whole number below"),
        pytest.param("seed", 10**5000, "seed is a number of 16610 bits", id="seed of 5,000 digits"),
        ("seed", 0.0, "seed is 0.0; expected a whole number"),
        ("progress", 3, "progress is 3; expected a function, or None"),
        ("trace", 1, "trace is 1; expected True or False"),
        ("images", None, "the images are None; expected a tensor"),
        ("images", IMAGES.tolist(), r"the images are a list; .*; give torch\.as_tensor\(\.\.\.\) of them"),
        ("images", IMAGES.to("meta"), r"the images are a tensor \(torch.float32, .* on meta\); expected plain numbers"),
        ("images", IMAGES.to_sparse(), "expected plain numbers: dense"),
        ("images", np.ma.masked_array(IMAGES.numpy()), "a masked array, whose mask would be lost"),
        ("images", IMAGES[:, :0], "expected at least one channel, row and column"),
        ("labels", LABELS.tolist(), r"the labels are a list; expected an int64 tensor \(4,\); give torch"),
        ("ids", "a", "the ids are 'a'; expected an int64 tensor"),
    ],
)
def test_what_is_told(name, value, message):
    given: dict[str, Any] = {"attack": FGSM(), "classifier": SEEN, "images": IMAGES, "threat": LINF}
    with pytest.raises(InputError, match=message):
        run(**{**given, name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PGD(steps="5"), "steps is '5'; expected a whole number"),
        (lambda: PGD(steps=5.0), "steps is 5.0; expected a whole number"),
        (lambda: PGD(loss="l2"), "loss is 'l2'; expected 'cross_entropy' or"),
        (lambda: PGD(random_start=1), "random_start is 1; expected True or False"),
        (lambda: Restarts(FGSM), "attack is the class FGSM; expected an attack"),
        (lambda: Cascade("ab"), "attacks is 'ab'; expected several in a tuple"),
        (lambda: Cascade((FGSM(), "pgd")), "attacks is a tuple; expected each to be an attack"),
        (lambda: SmallestRadius(FGSM(), first="a"), "first is 'a'; expected a number"),
        (lambda: Lp(None), "the norm is None; expected a number"),
        (lambda: Lp(2, "8/255"), "the radius is '8/255'; expected a number"),
        (lambda: Lp(2, torch.tensor([True])), "the radius is a tensor .* of torch.bool"),
        (lambda: Classifier(NETWORK, (0, 1, 2)), "bounds is a tuple; expected .*2 values"),
        (lambda: Classifier(NETWORK, binary="yes"), "binary is 'yes'; expected True or False"),
        (lambda: Classifier(NETWORK, labels="3"), "labels is '3'; expected a whole number"),
        (lambda: ImageSet(NETWORK, IMAGES), "classifier is a Sequential; expected a classifier"),
        (lambda: ImageSet(SEEN, IMAGES, 0), "batch is 0; expected at least 1"),
        (lambda: UniversalAscent(passes="2"), "passes is '2'; expected a whole number"),
        (lambda: UniversalProblem(SEEN, (1, 3), LINF), "shape is a tuple; expected 3 values"),
        (lambda: find_universal("ascent", None), "method is 'ascent'; expected a universal attack"),
        (lambda: Perturbation(IMAGES[0].numpy(), LINF), "tensor is an array"),
        (
            lambda: Perturbation(IMAGES[0].long(), LINF),
            "the perturbation is a tensor .* of torch.int64",
        ),
        (lambda: Perturbation(IMAGES[0], LINF).apply(IMAGES[0]), "the images are a tensor .*; expected floats"),
        (lambda: Perturbation(IMAGES[0], LINF).resampled(0, 3), "height is 0; expected at least 1"),
    ],
)
def test_settings_of_other_types(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_goals_bounds_and_networks_of_other_types():
    for labels in (3, None, [1, 2], "cat"):
        with pytest.raises(LabelError, match="the classes of a goal are"):
            Targeted(labels)
    with pytest.raises(BoundsError, match="expected two numbers, the lower one first"):
        Classifier(NETWORK, (1, 0))
    with pytest.raises(ModelError, match="the network is a Classifier; expected"):
        Classifier(SEEN)
    with pytest.raises(ModelError, match="expected 2 to 1,000,000 classes"):
        Classifier(NETWORK, labels=10**9)


def test_numbers_of_numpy_and_torch_are_numbers_and_lists_are_tuples():
    usual = run(PGD(steps=2), SEEN, IMAGES, threat=LINF, seed=3, batch=2)
    given = run(
        PGD(steps=np.int64(2)), SEEN, IMAGES, threat=Lp("inf", np.float64(0.1)), seed=np.uint8(3), batch=torch.tensor(2)
    )
    assert torch.equal(given.adversarial, usual.adversarial)
    assert repr(PGD(steps=np.int64(2), step_size=np.float32(0.5))) == repr(PGD(steps=2, step_size=0.5))
    listed = Cascade([FGSM(), PGD()])
    assert listed == Cascade((FGSM(), PGD()))
    assert uses_gradients(listed)


@pytest.mark.parametrize("kind", [">f4", "f2", "f8"])
def test_arrays_of_any_float_are_read(kind):
    assert len(run(FGSM(), SEEN, IMAGES.numpy().astype(kind), threat=LINF)) == 4


def test_the_largest_seed_draws_and_may_be_counted_on():
    last = 2**63 - 1
    assert len(run(PGD(steps=1), SEEN, IMAGES, threat=LINF, seed=last, eot_samples=2)) == 4
    ids = torch.zeros(1, dtype=torch.int64)
    after, before = (Streams(seed, ids).uniform(ids, (4,)) for seed in (last + 1, -(2**63)))
    assert torch.equal(after, before)


class Raising(nn.Module):
    def forward(self, images):
        raise IndexError("layer 7 is out of range")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda images: (images, images), "returns a tuple of 2; expected a tensor of logits"),
        (lambda images: None, "returns a NoneType"),
        (lambda images: torch.full((len(images), 3), torch.nan), "NaN or infinite for 4 of 4"),
        (lambda images: torch.rand(7, 3), r"shape \(7, 3\) for 4 images"),
        (Raising(), r"the network \(Raising\) fails on images of shape \(4, 1, 3, 4\) \(IndexError: layer 7 is out"),
    ],
)
def test_a_network_that_does_not_work(answer, message):
    with pytest.raises(ModelError, match=message):
        run(FGSM(), Classifier(answer), IMAGES, threat=LINF)


def test_what_the_network_raised_is_the_cause():
    with pytest.raises(ForwardFailed) as caught:
        run(FGSM(), Classifier(Raising()), IMAGES, threat=LINF)
    assert isinstance(caught.value.__cause__, IndexError)


@pytest.mark.parametrize("number", range(len(ODD)))
def test_odd_values_are_put_into_words(number):
    assert 0 < len(refusal(lambda: run(FGSM(), ODD[number], IMAGES, threat=LINF)) or "a result") < 300
