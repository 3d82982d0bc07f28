"""Loud convolutions beside the objective of a search with images: the formula, the passes, and where there are none."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from brittle import (
    Classifier,
    ImageSet,
    InputError,
    JointAscent,
    Lp,
    ModelError,
    Patch,
    UniversalAscent,
    UniversalProblem,
    find_universal,
)
from brittle.universal_attacks.loud import PART, SILENT, LogSquare, Loud
from brittle.universal_attacks.objective import away
from brittle.universal_attacks.pull import Pull, first_length


def network(*, inplace: bool = False, layers: int = 5) -> nn.Sequential:
    torch.manual_seed(3)
    parts = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace)]
    for _ in range(layers - 1):
        parts += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5)).double().eval()


def photographs(count: int = 6, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count), dtype=torch.float64)


def problem_of(module: nn.Module, images: torch.Tensor) -> UniversalProblem:
    some = ImageSet(Classifier(module), images)
    return UniversalProblem(some.classifier, some.shape, Lp("inf", 0.05), some)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_gradient_is_that_of_objective_and_loudness(inplace):
    problem = problem_of(network(inplace=inplace), photographs())
    images = problem.given().at(torch.arange(6))
    clean, aim = problem.given().clean_logits[torch.arange(6)].double(), away("margin", 9.0)
    loud = Loud.of(problem, 0.7, usual=False)
    v = 0.02 * torch.randn(problem.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Pull(problem, images, clean, aim, torch.Generator(), loud).gradient(v)
    moving, outputs, count = v.clone().requires_grad_(), [], 0
    x = images + moving
    x = x.clamp(0, 1)
    for part in network():
        x = part(x)
        count += isinstance(part, nn.Conv2d)
        if isinstance(part, nn.Conv2d) and count <= PART * 5:
            outputs.append(x.flatten(1).square().sum(1).log())
    (expected,) = torch.autograd.grad((aim(x, clean) + 0.7 * torch.stack(outputs).mean(0)).mean(), moving)
    torch.testing.assert_close(found, expected)


def test_it_takes_no_pass_of_its_own_and_leaves_no_hook():
    module = network()
    seen: list[int] = []
    handle = module.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    problem = problem_of(module, photographs(20))
    made = find_universal(UniversalAscent(passes=2, loud=1.0), problem, lambda _: 0.0)
    handle.remove()
    told = made.made["passes"][-1]["forward"]
    assert sum(seen) == told + 2  # a look at one blank image in each pass finds the layers
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_it_is_usual_where_images_are_cropped_and_all_shall_be_fooled():
    seen: list[float | None] = []
    for method, expected, *threat in (
        (UniversalAscent(passes=1), [None]),
        (UniversalAscent(passes=1, crops=True), [1.0]),
        (UniversalAscent(passes=1, crops=True, loud=0), [None]),
        (UniversalAscent(passes=1, crops=True, target=1), [None]),
        (UniversalAscent(passes=1, target=1, loud=2.0), [2.0]),
        (JointAscent(passes=1, count=2), [None]),
        (UniversalAscent(passes=1, crops=True, batch=4), [None], Patch(3)),
        (JointAscent(passes=1, count=2, crops=True), [1.0]),
    ):
        seen.clear()
        original = Loud.of.__func__

        def of(cls, *given, original=original, **named):
            made = original(cls, *given, **named)
            seen.append(None if made is None else made.weight)
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Loud, "of", classmethod(of))
            problem = problem_of(network(), photographs(12))
            find_universal(method, replace(problem, threat=threat[0]) if threat else problem, lambda _: 0.0)
        assert seen == expected, method


def test_a_network_without_convolutions_goes_without_unless_it_is_asked():
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).double()
    problem = problem_of(module, photographs())
    assert Loud.of(problem, None, usual=True) is None
    find_universal(UniversalAscent(passes=1, crops=True), problem, lambda _: 0.0)
    with pytest.raises(ModelError, match="loud is 1, and the network has no convolution"):
        find_universal(UniversalAscent(passes=1, loud=1.0), problem, lambda _: 0.0)
    with pytest.raises(InputError, match="loud is -1"):
        UniversalAscent(loud=-1)


def test_exported_graphs_are_heard_too():
    module = network(inplace=True).float()
    sizes = ({0: torch.export.Dim("batch")},)
    graph = torch.export.export(copy.deepcopy(module), (torch.rand(2, 3, 8, 8),), dynamic_shapes=sizes).module()
    images = photographs().float()
    methods = UniversalAscent(passes=2, crops=False, loud=1.0)
    one, other = (find_universal(methods, problem_of(each, images), lambda _: 0.0) for each in (module, graph))
    torch.testing.assert_close(one.tensor, other.tensor)


def test_silence_has_no_slope_and_half_precision_its_own():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    value = LogSquare.apply(rows)
    (slope,) = torch.autograd.grad(value.sum() * 1e9, rows)
    assert float(value[0].detach()) == pytest.approx(float(torch.tensor(SILENT).log()))
    torch.testing.assert_close(slope, 1e9 * torch.tensor([[0.0, 0.0], [6 / 25, 8 / 25]]))
    half = torch.tensor([[300.0, 400.0]], dtype=torch.float16, requires_grad=True)
    (slope,) = torch.autograd.grad(LogSquare.apply(half).sum(), half)
    torch.testing.assert_close(slope, torch.tensor([[2.4e-3, 3.2e-3]], dtype=torch.float16))
    rows = torch.randn(3, 2, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(LogSquare.apply, (rows,))


def test_many_loud_steps_get_no_shorter():
    lengths = [first_length(None, steps, loud=loud) for loud in (False, True) for steps in (100, 300, 800)]
    assert lengths == pytest.approx([0.3, 40 / 300, 40 / 800, 0.3, 40 / 300, 40 / 300])
    assert first_length(0.5, 800, loud=True) == 0.5
