"""What every attack finds and what it costs on a small network that is written out: figures are part of the interface.

They lie in `figures.txt`. Where a change is meant to move them, write them anew, and say so in the commit:

    PYTHONPATH=src:tests python tests/contract/test_figures.py
"""

import math
from pathlib import Path

import pytest
import torch
from cases import CASES
from torch import Tensor, nn

import brittle
from brittle import Attack, Classifier, Flow, Frame, LeastLikely, Lp, Patch, Pixels, Targeted, Threat, Untargeted, run
from brittle.core.quantize import QuantizationGrid

FILE = Path(__file__).with_name("figures.txt")
SHAPE, CLASSES, LOWER, UPPER = (2, 5, 4), 5, -1.0, 2.0
SPAN = UPPER - LOWER
LINF, L2, L1 = Lp("inf", 0.12), Lp(2, 0.5), Lp(1, 2.5)
Options = dict[str, object]
FEW = slice(2, 4)
"""The images of the runs that take long: one from the middle, one at the edges."""


def waves(*shape: int, pace: float) -> Tensor:
    """Numbers in -1..1 that look random and are the same with every release of torch."""
    return torch.sin(torch.arange(1, 1 + math.prod(shape), dtype=torch.float64).square() * pace).reshape(shape)


class Bent(nn.Module):
    """A small smooth network in float64, whose two layers are waves."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(waves(12, math.prod(SHAPE), pace=0.7310) * 0.6)
        self.second = nn.Parameter(waves(CLASSES, 12, pace=0.2917) * 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh((x / SPAN).flatten(1) @ self.first.T) @ self.second.T


def network() -> Classifier:
    return Classifier(Bent(), bounds=(LOWER, UPPER))


def silent() -> Classifier:
    """The same network without a way back."""
    module = Bent()
    return Classifier(lambda x: module(x).detach(), (LOWER, UPPER))


def images() -> Tensor:
    """Three images from the middle of the box, two of which many values lie at its edges."""
    unit = 0.5 + 0.3 * waves(5, *SHAPE, pace=0.1234)
    unit[3:] = (0.5 + 0.9 * waves(2, *SHAPE, pace=0.4321)).clamp(0, 1)
    return LOWER + SPAN * unit


def labels() -> Tensor:
    """The predicted classes, but for the last image, which is wrong from the start."""
    found = network().logits(images()).argmax(1).detach()
    return torch.cat([found[:-1], (found[-1:] + 1) % CLASSES])


def targets() -> Tensor:
    """The runner-up of each image."""
    return network().logits(images()).detach().topk(2).indices[:, 1]


def rounded(clean: Tensor, levels: int) -> Tensor:
    """Images on the levels of a file."""
    grid = QuantizationGrid(levels, network().bounds)
    return grid.images(grid.numbers(clean).round(), clean.dtype)


def scaled(threat: Threat) -> Threat:
    """Bring a radius that is meant for values of 0..1 to these bounds."""
    if not isinstance(threat, Lp) or threat.p == 0:
        return threat
    return threat.within(threat.radius * SPAN)


def usual() -> list[tuple[str, Attack, Threat, Options]]:
    """The runs of the contract; but where a round begins on the edge of tau, the last digit says which side it is."""
    return [
        (f"{case}-{number}", case.attack, scaled(case.threat), {})
        for number, case in enumerate(CASES)
        if not (isinstance(case.attack, brittle.CarliniWagnerLinf) and case.attack.project)
    ]


def longer() -> list[tuple[str, Attack, Threat, Options]]:
    """Runs long enough for every schedule to turn, with every setting that is off in the contract's."""
    free = {name: Lp(p) for name, p in (("l0", 0), ("l1", 1), ("l2", 2), ("linf", math.inf))}
    rows: list[tuple[Attack, Threat, Options]] = [
        (brittle.FGSM(loss="margin"), LINF, {}),
        (brittle.PGD(steps=9, loss="scaled", restarts=2, kappa=0.5), L2, {}),
        (brittle.PGD(steps=9, sparsity=0.8), L1, {}),
        (brittle.BasicIterative(), LINF, {}),
        (brittle.APGD(steps=30, restarts=2), Lp("inf", 0.05), {}),
        (brittle.APGD(steps=30, targets=2), Lp(2, 0.3), {}),
        (brittle.APGD(steps=60, momentum=0.6, rises=0.5), Lp(2, 0.2), {}),
        (brittle.APGD(steps=75), Lp(1, 0.8), {}),
        (brittle.APGD(steps=50, widened=False), Lp(1, 0.8), {}),
        (brittle.FAB(steps=12, restarts=2, pull=0.3, back=0.5), free["l2"], {}),
        (brittle.FAB(steps=12, candidates=3), free["linf"], {}),
        (brittle.FAB(steps=12, restarts=2, targets=2), free["l1"], {}),
        (brittle.FastEnsemble(steps=5, targets=2, queries=5), Lp("inf", 0.05), {}),
        (brittle.AutoAttack(version="plus", steps=5, queries=5), Lp("inf", 0.05), {"of": FEW}),
        (brittle.AutoAttack(version="rand", steps=5, eot_samples=2), Lp(2, 0.3), {}),
        (brittle.AutoAttack(steps=5, queries=5), Lp(1, 0.8), {}),
        (brittle.DeepFool(candidates=3, overshoot=0.3), free["l2"], {}),
        (brittle.DeepFool(slack=math.inf, box=1.0), free["l1"], {}),
        (brittle.DeepFool(box=0.0, nudge=1e-5), free["linf"], {}),
        (brittle.SuperDeepFool(), free["l2"], {}),
        (brittle.SuperDeepFool(steps=3, walk=2, search=4, gain=0.0), free["l2"], {}),
        (brittle.DDN(steps=40, levels=64), free["l2"], {}),
        (brittle.FMN(steps=40), free["l0"], {}),
        (brittle.FMN(steps=40), free["l1"], {}),
        (brittle.FMN(steps=40, inward=False), free["l2"], {}),
        (brittle.FMN(steps=40, inward=False), free["l0"], {}),
        (brittle.FMN(steps=40), free["linf"], {}),
        (brittle.ALMA(steps=60), free["l2"], {}),
        (brittle.ALMA(steps=60, check_every=7), free["l1"], {}),
        (brittle.PDPGD(steps=40), free["l1"], {}),
        (brittle.PDPGD(steps=40, rounds=2, tolerance=0.0), free["l0"], {}),
        (brittle.SigmaZero(steps=60), free["l0"], {}),
        (brittle.LBFGS(), free["l2"], {}),
        (brittle.LBFGS(searches=5, steps=9, memory=2, constant=0.3, untargeted="runner-up"), free["l2"], {}),
        (brittle.BoundaryDescent(steps=100), free["l1"], {}),
        (brittle.BoundaryDescent(steps=70), free["linf"], {}),
        (brittle.BoundaryDescent(steps=300), free["l2"], {"of": FEW}),
        (brittle.SupportDescent(steps=50), free["l0"], {}),
        (brittle.SupportDescent(steps=50), Pixels(math.inf), {}),
        (brittle.JSMA(fraction=0.5, aim="nearest"), free["l0"], {}),
        (brittle.JSMA(fraction=0.5, aim="runner-up", on="logits", theta=-0.5), free["l0"], {}),
        (brittle.CarliniWagnerL2(searches=4, steps=25, learning_rate=0.05), free["l2"], {"of": FEW}),
        (
            brittle.CarliniWagnerL2(searches=4, steps=25, learning_rate=0.05, shrink=0.999999, warm=False, carry=False),
            free["l2"],
            {"of": FEW},
        ),
        (brittle.CarliniWagnerL0(steps=12, learning_rate=0.2, candidates=2), Pixels(math.inf), {"of": FEW}),
        (
            brittle.CarliniWagnerL0(steps=12, learning_rate=0.1, constant=0.1, skip=False, candidates=0),
            free["l0"],
            {"of": FEW},
        ),
        (
            brittle.CarliniWagnerLinf(steps=20, learning_rate=0.05, constant=0.05, skip=False, project=False),
            free["linf"],
            {"of": FEW},
        ),
        (brittle.PatchAscent(steps=12), Patch(3), {}),
        (brittle.PatchAscent(steps=12, restarts=1, loss="cross_entropy"), Frame(1), {}),
        (brittle.OnePixel(population=20, generations=10, stop="success"), Pixels(3), {}),
        (brittle.Square(queries=60), LINF, {}),
        (brittle.Square(queries=60, fraction=0.3, rescaled=False), L2, {}),
        (brittle.Square(queries=60, restarts=2), L1, {}),
        (brittle.SimBA(steps=40), free["l2"], {}),
        (brittle.SimBA(basis="cosine", frequencies=0.6), Lp(2, 0.4), {}),
        (brittle.NES(draws=8, steps=10, stride=0.02), L2, {}),
        (brittle.SPSA(draws=8, steps=10, stride=0.02), LINF, {}),
        (brittle.HopSkipJump(steps=4, draws=10), free["l2"], {}),
        (brittle.HopSkipJump(steps=4, draws=10), free["linf"], {}),
        (brittle.Boundary(steps=200, delta=0.1, epsilon=0.1), free["l2"], {"of": FEW}),
        (brittle.RandomDirection(directions=3, doublings=4, bisections=5), free["linf"], {}),
        (brittle.RandomNoise(draws=9), L1, {}),
        (brittle.RandomNoise(draws=9), L2, {}),
        (brittle.RandomNoise(draws=9), Pixels(3), {}),
        (brittle.ADef(steps=12, candidates=2, smoothing=0.7), Flow(math.inf), {}),
        (brittle.ADef(steps=6), Flow(0.6), {}),
        (brittle.SpatiallyTransformed(steps=25), Flow(math.inf), {}),
        (brittle.SpatiallyTransformed(steps=25, scaled=True, tau=5.0), Flow(math.inf), {}),
        (brittle.RotationTranslation(angles=5, shifts=3, degrees=40, reach=0.4), Flow(math.inf), {}),
        (brittle.SmallestRadius(brittle.PGD(steps=5), steps=8), free["linf"], {}),
        (brittle.Restarts(brittle.Square(queries=8), count=3), Lp("inf", 0.06), {}),
    ]
    return [
        (f"longer-{type(attack).__name__}-{threat.name}-{number}", attack, scaled(threat), options)
        for number, (attack, threat, options) in enumerate(rows)
    ]


def questioned() -> list[tuple[str, Attack, Threat, Options]]:
    """Other questions: targets, a confidence, a budget, levels, draws, a radius for each image."""
    aimed: Options = {"goal": Targeted(targets(), confidence=0.1)}
    firm: Options = {"goal": Untargeted(labels(), confidence=0.2)}
    each = torch.tensor([0.02, 0.05, 0.1, 0.2, 0.3], dtype=torch.float64)
    few = aimed | {"goal": Targeted(targets()[FEW], confidence=0.1), "of": FEW}
    found = [
        (f"aimed-{name}", attack, threat, few if "CarliniWagner" in name else aimed)
        for name, attack, threat, _ in usual()
    ]
    bound: list[tuple[Attack, Threat, Options]] = [
        (brittle.PGD(steps=6), LINF, {"goal": LeastLikely()}),
        (brittle.PGD(steps=6), L2, {"budget": 9}),
        (brittle.PGD(steps=6), LINF, {"quantization": 16}),
        (brittle.PGD(steps=6), L2, {"eot_samples": 2}),
        (brittle.PGD(steps=6, random_start=False), Lp("inf", each), {}),
        (brittle.APGD(steps=9), Lp(1, 20 * each), {}),
        (brittle.Square(queries=20), Lp(2, 5 * each), {}),
        (brittle.DeepFool(), Lp(2), {"quantization": 16}),
        (brittle.DeepFool(), Lp(1), {"quantization": 9} | firm),
        (brittle.FMN(steps=9), Lp("inf"), {"quantization": 32}),
        (brittle.SupportDescent(steps=20), Lp(0), {"quantization": 16}),
        (brittle.SupportDescent(steps=20), Lp(0), {"quantization": 16, "levels": 16}),
        (brittle.SupportDescent(steps=20), Pixels(math.inf), {"quantization": 8, "levels": 8}),
        (brittle.CarliniWagnerL0(steps=10, learning_rate=0.2, candidates=1), Lp(0), {"quantization": 4, "levels": 4}),
        (brittle.DeepFool(), Lp(2), {"quantization": 256, "levels": 256}),
        (brittle.DeepFool(), Lp(1), {"quantization": 64}),
        (brittle.DeepFool(), Lp("inf"), {"quantization": 256}),
        (brittle.DeepFool(), Lp("inf"), {"quantization": 3}),
        (brittle.HopSkipJump(steps=1, draws=8), Lp(2), {"quantization": 5}),
        (brittle.SimBA(epsilon=0.5), Lp(2), {"quantization": 32, "levels": 32, "silent": True}),
        (brittle.RandomNoise(draws=9), Lp("inf", 0.2), {"quantization": 16, "silent": True}),
        (brittle.RandomNoise(draws=9), Lp(1, 3.0), {"quantization": 8, "silent": True}),
        (brittle.ADef(steps=6), Flow(math.inf), {"quantization": 32}),
        (brittle.FMN(steps=9), Lp(2), firm),
        (brittle.DDN(steps=9), Lp(2), firm),
        (brittle.CarliniWagnerL2(searches=2, steps=10, learning_rate=0.1, constant=0.1), Lp(2), firm),
        (brittle.HopSkipJump(steps=2, draws=8), Lp(2), firm),
        (brittle.FAB(steps=6), Lp(2), firm),
        (brittle.FAB(steps=6, targets=2), Lp("inf", each), {}),
        (brittle.LBFGS(searches=4, steps=9), Lp(2), {"budget": 40, "quantization": 64}),
    ]
    for number, (attack, threat, options) in enumerate(bound):
        said = "-".join(options) or "each"
        named = f"{said}-{type(attack).__name__}-{threat.name}-{number}"
        found.append((named, attack, scaled(threat), {"batch": 4} | options))
    return found


def figures(attack: Attack, threat: Threat, options: Options) -> str:
    """One line: how many are broken, passes, iterations; sizes, how far the images moved, margins."""
    ours = ("of", "levels", "silent")
    of, levels = options.get("of", slice(None)), options.get("levels")
    asked = {"labels": labels()[of], "seed": 7} | {name: options[name] for name in options.keys() - ours}
    clean = images()[of] if levels is None else rounded(images()[of], levels)
    classifier = network() if "silent" not in options else silent()
    try:
        found = run(attack, classifier, clean, threat=threat, **asked)
    except brittle.InputError as error:
        return f"refused: {str(error)[:40]}".rstrip()
    sizes = found.size[torch.isfinite(found.size)].sum()
    moved = (found.adversarial - clean).abs().sum()
    whole = (found.success.sum(), found.forward.sum(), found.backward.sum(), found.iterations.sum())
    parts = [f"{float(part):.7g}" for part in (sizes, moved, found.margin.sum())]
    return " ".join([*(str(int(part)) for part in whole), *parts])


RUNS = {name: (attack, threat, options) for name, attack, threat, options in (*usual(), *longer(), *questioned())}


def known() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in FILE.read_text().splitlines())


@pytest.mark.parametrize("name", RUNS)
def test_figures_are_these(name: str):
    found, expected = figures(*RUNS[name]), known()[name]
    if found.startswith("refused") or expected.startswith("refused"):
        assert found == expected
        return
    numbers = [[float(word) for word in line.split()] for line in (found, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-5)


def test_the_file_holds_these_runs_and_no_others():
    assert list(known()) == list(RUNS)


if __name__ == "__main__":
    FILE.write_text("".join(f"{name}: {figures(*given)}\n" for name, given in RUNS.items()))
