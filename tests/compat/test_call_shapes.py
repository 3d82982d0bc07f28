"""The call shapes of other libraries: what they return on networks whose answer is known, and what they refuse."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

import brittle
from brittle.compat import art, autoattack, foolbox, native, torchattacks
from brittle.errors import BoundsError, InputError

RADIUS = 0.125
STEP = 0.03125  # sums of these are exact, so that steps can be compared bit by bit


class Plane(nn.Module):
    """Two classes, told apart by a plane: logits (0, w x + b)."""

    def __init__(self, offset: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 2.0, 4.0]))
        self.offset = offset

    def forward(self, images):
        height = images.flatten(1) @ self.weight + self.offset
        return torch.stack([torch.zeros_like(height), height], 1)


@pytest.fixture
def images():
    return torch.full((3, 1, 2, 2), 0.5)


@pytest.fixture
def labels():
    return torch.tensor([1, 1, 0])  # the last one is wrong from the start, for w x = 2.5


def estimator(module, **settings):
    about = {"clip_values": (0.0, 1.0)} | settings
    return art.PyTorchClassifier(module, nn.CrossEntropyLoss(), (1, 2, 2), 2, **about)


def array_call(attack):
    return lambda images, labels: torch.from_numpy(attack.generate(x=images.numpy(), y=labels.numpy()))


def of_foolbox(attack, module, radius):
    return lambda images, labels: attack(foolbox.PyTorchModel(module, (0, 1)), images, labels, epsilons=radius)[1]


ONE_STEP = {
    "torchattacks": lambda m: torchattacks.FGSM(m, eps=RADIUS),
    "foolbox": lambda m: of_foolbox(foolbox.attacks.FGSM(), m, RADIUS),
    "art": lambda m: array_call(art.FastGradientMethod(estimator(m), eps=RADIUS)),
}
THREE_STEPS = {
    "torchattacks": lambda m: torchattacks.PGD(m, RADIUS, STEP, 3, random_start=False),
    "torchattacks BIM": lambda m: torchattacks.BIM(m, RADIUS, STEP, 3),
    "foolbox": lambda m: of_foolbox(foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=3, random_start=False), m, RADIUS),
    "foolbox, relative": lambda m: of_foolbox(
        foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=3, random_start=False), m, RADIUS
    ),
    "art": lambda m: array_call(
        art.ProjectedGradientDescent(estimator=estimator(m), eps=RADIUS, eps_step=STEP, max_iter=3)
    ),
}


@pytest.mark.parametrize("make", ONE_STEP.values(), ids=ONE_STEP)
def test_one_step_is_the_radius_along_the_sign_also_for_images_that_are_wrong(make, images, labels):
    sign = torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(1, 1, 2, 2)
    away = torch.tensor([-1.0, -1.0, 1.0]).reshape(3, 1, 1, 1)  # down from class 1, up from class 0
    assert torch.equal(make(Plane())(images, labels), images + RADIUS * away * sign)


@pytest.mark.parametrize("make", THREE_STEPS.values(), ids=THREE_STEPS)
def test_steps_add_up_and_go_to_the_last(make, images, labels):
    moved = make(Plane())(images, labels)
    assert torch.equal((moved - images).abs(), torch.full_like(images, 3 * STEP))


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, y: torchattacks.DeepFool(m)(x, y),
        lambda m, x, y: foolbox.attacks.L2DeepFoolAttack()(foolbox.PyTorchModel(m, (0, 1)), x, y, epsilons=None)[0],
        lambda m, x, y: array_call(art.DeepFool(estimator(m), epsilon=0.02))(x, y),
    ],
    ids=["torchattacks", "foolbox", "art"],
)
def test_deepfool_goes_to_the_plane_and_a_little_beyond(call, images):
    module = Plane(-1.0)  # at a height of 1.5, the plane lies 1.5 / |w| = 0.3 away
    moved = call(module, images, torch.ones(3, dtype=torch.int64))
    assert (moved - images).flatten(1).norm(dim=1).tolist() == pytest.approx([0.306] * 3, abs=2e-4)
    assert module(moved).argmax(1).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, y: torchattacks.DeepFool(m)(x, y),
        lambda m, x, y: array_call(
            art.DeepFool(
                art.PyTorchClassifier(m, nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0, 1)), batch_size=20
            )
        )(x, y),
    ],
    ids=["torchattacks", "art"],
)
def test_deepfool_crosses_the_boundary_though_pixels_at_the_box_swallow_a_part_of_each_step(call):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(2, (20, 1, 8, 8), generator=generator).float()
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    module[1].weight = nn.Parameter(torch.randn(10, 64, generator=generator) / 8)
    labels = module(images).argmax(1)
    assert (module(call(module, images, labels)).argmax(1) != labels).all()


def test_the_searches_of_carlini_and_wagner_end_near_the_plane(images):
    module, ones = Plane(-1.0), torch.ones(3, dtype=torch.int64)
    fmodel = foolbox.PyTorchModel(module, (0, 1))
    found = [
        torchattacks.CW(module, c=1, steps=40)(images, ones),
        foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=4, steps=40)(fmodel, images, ones, epsilons=None)[0],
        array_call(art.CarliniL2Method(estimator(module), binary_search_steps=4, max_iter=40, batch_size=3))(
            images, ones
        ),
    ]
    for one in found:
        assert (module(one).argmax(1) == 0).all()
        assert ((one - images).flatten(1).norm(dim=1) < 0.36).all()


def test_what_was_not_broken_is_returned_as_it_was(images, labels):
    adversary = autoattack.AutoAttack(Four(), eps=1e-4, seed=1, verbose=False, device="cpu")
    adversary.attack = adversary.attack.members("linf", 4)[0]  # the others take long and find as little
    found, said = adversary.run_standard_evaluation(images, torch.zeros(3, dtype=torch.int64), return_labels=True)
    assert torch.equal(found, images)
    assert said.tolist() == [0, 0, 0]
    assert adversary.result.robust_accuracy.value == 1.0
    assert adversary.clean_accuracy(images, torch.tensor([0, 0, 1]), bs=2) == pytest.approx(2 / 3)


class Four(nn.Module):
    """Four classes, of which the first is far ahead."""

    def forward(self, images):
        return images.flatten(1) + torch.tensor([3.0, 0.0, 0.0, 0.0])


def test_members_are_run_by_name(images):
    zeros = torch.zeros(3, dtype=torch.int64)
    adversary = autoattack.AutoAttack(Four(), "L2", 1.5, attacks_to_run=["apgd-ce"], version="custom")
    found = adversary.run_standard_evaluation(images, zeros, bs=2)
    assert bool(adversary.result.success.all()) == bool((Four()(found).argmax(1) != zeros).all())
    assert (found - images).flatten(1).norm(dim=1).max() <= 1.5 + 1e-6


def test_members_can_be_assigned_after_construction(images):
    adversary = autoattack.AutoAttack(Four(), "L2", 1.5)
    assert adversary.attacks_to_run == ("apgd-ce", "apgd-t", "fab-t", "square")
    adversary.attacks_to_run = ["apgd-ce"]
    (member,) = adversary.attack.attacks
    assert member == brittle.APGD(100), "the settings of the version"
    custom = autoattack.AutoAttack(Four(), "L2", 1.5, version="custom")
    with pytest.raises(InputError, match="assign attacks_to_run"):
        custom.run_standard_evaluation(images, torch.tensor([0, 0, 0]))
    custom.attacks_to_run = ["apgd-dlr"]
    custom.epsilon = 2.0
    assert custom.threat == brittle.Lp(2, 2.0)
    assert custom.attack.attacks[0] == autoattack.MEMBERS["apgd-dlr"]


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("version", ["standard", "plus"])
def test_assigned_members_have_the_settings_of_the_version(norm, version):
    adversary = autoattack.AutoAttack(Four(), norm, 1.0, version=version)
    expected = adversary.attack.members(adversary.threat.name, 10)
    adversary.attacks_to_run = adversary.attacks_to_run
    for found, one in zip(adversary.attack.attacks, expected, strict=True):
        assert str(found).replace("dlr_t", "dlr") == str(one).replace("dlr_t", "dlr")


def test_every_member_can_attack_by_itself(images):
    adversary = autoattack.AutoAttack(Four(), "L2", 1.5, attacks_to_run=["apgd-ce", "apgd-t"], version="custom")
    found = adversary.run_standard_evaluation_individual(images, torch.tensor([0, 0, 0]), return_labels=True)
    assert [*found] == [*adversary.results] == ["apgd-ce", "apgd-t"]
    moved, said = found["apgd-t"]
    assert torch.equal(Four()(moved).argmax(1), said)


def test_what_nothing_goes_by_cannot_be_assigned():
    adversary = autoattack.AutoAttack(Four(), version="rand")
    with pytest.raises(AttributeError, match="would not go by 'nonsense'"):
        adversary.nonsense = 4
    with pytest.raises(AttributeError, match=r"brittle\.Cascade"):
        adversary.apgd.n_restarts = 2
    with pytest.raises(AttributeError, match="version='plus'"):
        adversary.version = "plus"
    with pytest.raises(InputError, match="eot_samples=20"):
        adversary.attacks_to_run = ["apgd-ce"]
    adversary.verbose, adversary.seed = False, 3


def test_a_targeted_mode_goes_to_the_labels(images):
    attack = torchattacks.FGSM(Four(), eps=0.25)
    attack.set_mode_targeted_by_label(quiet=True)
    moved = attack(images, torch.tensor([1, 2, 3]))
    assert [int(one.flatten().argmax()) for one in moved] == [1, 2, 3]
    attack.set_mode_default()
    assert float(attack(images, torch.tensor([0, 0, 0])).flatten(1)[0, 0]) == 0.25
    reached = foolbox.TargetedMisclassification(torch.tensor([1, 2, 3]))
    model = foolbox.PyTorchModel(Four(), (0, 1))
    raw, _, is_adv = foolbox.attacks.FGSM()(model, images, reached, epsilons=[0.25, 0.5])
    assert torch.equal(raw[0], moved)
    assert is_adv.shape == (2, 3)
    rows = np.eye(4, dtype=np.float32)[[1, 2, 3]]
    four = art.PyTorchClassifier(Four(), nn.CrossEntropyLoss(), (1, 2, 2), 4, clip_values=(0, 1))
    assert torch.equal(
        array_call(art.FastGradientMethod(four, eps=0.25, targeted=True))(images, torch.tensor(rows)), moved
    )


def test_several_radii_give_lists_and_what_is_too_long_is_cut(images):
    ones = torch.ones(3, dtype=torch.int64)
    model = foolbox.PyTorchModel(Plane(-1.0), (0, 1))
    raw, clipped, is_adv = foolbox.attacks.L2DeepFoolAttack()(model, images, ones, epsilons=[0.1, 0.4, None])
    assert [len(raw), len(clipped), *is_adv.shape] == [3, 3, 3, 3]
    assert (clipped[0] - images).flatten(1).norm(dim=1).tolist() == pytest.approx([0.1] * 3, abs=1e-6)
    assert torch.equal(clipped[1], raw[1])
    assert is_adv.tolist() == [[False] * 3, [True] * 3, [True] * 3]
    assert foolbox.accuracy(model, images, torch.tensor([1, 1, 0])) == pytest.approx(2 / 3)


def test_normalisation_is_put_before_the_network(images):
    plain = Plane()((images - 0.5) / 0.25)
    model = foolbox.PyTorchModel(Plane(), (0, 1), preprocessing={"mean": torch.tensor([0.5]), "std": 0.25, "axis": -3})
    assert torch.equal(model(images), plain)
    assert np.array_equal(estimator(Plane(), preprocessing=(0.5, 0.25)).predict(images.numpy()), plain.detach().numpy())


def test_each_call_draws_anew_and_none_from_the_global_state(images, labels):
    before = torch.get_rng_state()
    attack = torchattacks.PGD(Plane(), RADIUS, 0.0, 1)
    first, second = attack(images, labels), attack(images, labels)
    assert not torch.equal(first, second)
    assert torch.equal(first, torchattacks.PGD(Plane(), RADIUS, 0.0, 1)(images, labels))
    assert torch.equal(torch.get_rng_state(), before)


def test_more_random_starts_are_taken_from_art(images, labels):
    attack = art.ProjectedGradientDescent(estimator(Plane()), 2, 0.5, 0.25, max_iter=2, num_random_init=3)
    assert attack.attack().restarts == 3
    assert (array_call(attack)(images, labels) - images).flatten(1).norm(dim=1).max() <= 0.5 + 1e-6


REFUSED = {
    "normalisation flag": (lambda m: torchattacks.PGD(m).set_normalization_used([0.5], [0.5]), "into the module"),
    "random targets": (lambda m: torchattacks.PGD(m).set_mode_targeted_random(), "set_mode_targeted_by_label"),
    "no targeted mode": (lambda m: torchattacks.DeepFool(m).set_mode_targeted_by_label(), "PGD, FGSM, BIM, PGDL2"),
    "another norm": (lambda m: torchattacks.AutoAttack(m, norm="L0"), "'Linf' or 'L2' or 'L1'"),
    "division": (lambda m: torchattacks.PGDL2(m, eps_for_division=1e-3), "leave it out"),
    "no radius": (
        lambda m: foolbox.attacks.FGSM()(
            foolbox.PyTorchModel(m, (0, 1)), torch.zeros(1, 1, 2, 2), torch.tensor([0]), epsilons=None
        ),
        "L2DeepFoolAttack",
    ),
    "bare module": (
        lambda m: foolbox.attacks.FGSM()(m, torch.zeros(1, 1, 2, 2), torch.tensor([0]), epsilons=0.1),
        "PyTorchModel",
    ),
    "a criterion": (
        lambda m: foolbox.attacks.FGSM()(foolbox.PyTorchModel(m, (0, 1)), torch.zeros(1, 1, 2, 2), "x", epsilons=0.1),
        "Misclassification",
    ),
    "flipped channels": (
        lambda m: foolbox.PyTorchModel(m, (0, 1), preprocessing={"flip_axis": -3}),
        "within the module",
    ),
    "early stop": (
        lambda m: foolbox.attacks.L2DeepFoolAttack()(
            foolbox.PyTorchModel(m, (0, 1)), torch.zeros(1, 1, 2, 2), torch.tensor([0]), epsilons=1.0, early_stop=0.1
        ),
        "leave it out",
    ),
    "another loss": (
        lambda m: art.PyTorchClassifier(m, nn.MSELoss(), (1, 2, 2), 2, clip_values=(0, 1)),
        "CrossEntropyLoss",
    ),
    "no box": (lambda m: estimator(m, clip_values=None), "lowest and the highest"),
    "a bare module for ART": (lambda m: art.DeepFool(m), "PyTorchClassifier"),
    "the smallest radius": (lambda m: art.FastGradientMethod(estimator(m), minimal=True), "SmallestRadius"),
    "a mask": (
        lambda m: art.DeepFool(estimator(m)).generate(np.zeros((1, 1, 2, 2)), mask=np.ones((2, 2))),
        "brittle.Patch",
    ),
    "targets": (
        lambda m: art.FastGradientMethod(estimator(m), targeted=True).generate(np.zeros((1, 1, 2, 2))),
        "classes to reach",
    ),
    "another shape": (lambda m: estimator(m).predict(np.zeros((1, 1, 3, 3))), r"expected \(n, 1, 2, 2\)"),
    "a log": (lambda m: autoattack.AutoAttack(m, log_path="log.txt"), "to_arrow"),
    "a state": (
        lambda m: autoattack.AutoAttack(m).run_standard_evaluation(
            torch.zeros(1, 1, 2, 2), torch.tensor([0]), state_path="state.json"
        ),
        "goes on where it was killed",
    ),
    "a member": (lambda m: autoattack.AutoAttack(m, attacks_to_run=["pgd"], version="custom"), "apgd-ce, apgd-dlr"),
    "members of a version": (lambda m: autoattack.AutoAttack(m, attacks_to_run=["fab"]), "version='custom'"),
    "a version": (lambda m: autoattack.AutoAttack(m, version="fast"), "'standard' or 'plus'"),
}


@pytest.mark.parametrize(("call", "says"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_place_is_refused_with_what_to_write(call, says):
    with pytest.raises(InputError, match=says):
        call(Plane())


def test_what_no_library_has_is_no_argument():
    with pytest.raises(TypeError, match="did you mean 'verbose'"):
        art.DeepFool(estimator(Plane()), verbos=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        torchattacks.PGD(Plane(), epsilon=0.1)


def test_what_asks_for_nothing_is_taken():
    art.ProjectedGradientDescent(estimator(Plane()), verbose=True, summary_writer=False, random_eps=False, decay=None)
    torchattacks.AutoAttack(Four(), "L1", n_classes=10, verbose=True)
    assert math.isinf(foolbox.attacks.PGD().p)


WRAPPERS = [
    (torchattacks, native.TORCHATTACKS),
    (art, native.ART),
    (autoattack, native.AUTOATTACK),
    (foolbox, native.FOOLBOX),
    (foolbox.attacks, native.FOOLBOX),
    (foolbox.utils, native.FOOLBOX_MODEL),
]


@pytest.mark.parametrize(("wrapper", "names"), WRAPPERS)
def test_what_brittle_has_by_a_name_of_its_own_is_told(wrapper, names):
    for name, written in names.items():
        with pytest.raises(InputError, match=re.escape(f"has no {name}; write {written}")):
            getattr(wrapper, name)
        attack, _, threat = written.partition(", with threat=")
        if "run(..." not in attack:
            made = eval(attack)
            assert not threat or made.check(eval(threat)) is None
    with pytest.raises(AttributeError, match="has no attribute 'Nowhere'"):
        wrapper.Nowhere  # noqa: B018


def test_names_are_told_by_an_import_too():
    with pytest.raises(InputError, match=r"write brittle\.PGD\(.*momentum=1\.0\)"):
        from brittle.compat.torchattacks import MIFGSM  # noqa: F401


def test_foolbox_is_found_where_it_keeps_things(images, labels):
    fmodel = foolbox.PyTorchModel(Plane(), (0, 1))
    assert foolbox.utils.accuracy is foolbox.accuracy
    assert foolbox.criteria.Misclassification is foolbox.Misclassification
    attack = foolbox.attacks.LinfBasicIterativeAttack()
    raw, _, _ = attack(fmodel, images, labels, epsilons=0.1)
    assert torch.equal(attack.run(fmodel, images, labels, epsilon=0.1), raw)
    with pytest.raises(InputError, match="restarts=3"):
        attack.repeat(3)


def test_images_outside_the_box_are_refused(images):
    with pytest.raises(BoundsError):
        torchattacks.PGD(Plane())(images + 1, torch.tensor([1, 1, 1]))
