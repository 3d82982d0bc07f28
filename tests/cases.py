"""Every registered attack with a threat it is tried on, cheap enough to run in many ways."""

import math
from dataclasses import dataclass

from brittle import (
    ALMA,
    APGD,
    DDN,
    FAB,
    FGSM,
    FMN,
    JSMA,
    LBFGS,
    PDPGD,
    PGD,
    ADef,
    Attack,
    AutoAttack,
    BasicIterative,
    BoundaryDescent,
    CarliniWagnerL0,
    CarliniWagnerL2,
    CarliniWagnerLinf,
    Cascade,
    DeepFool,
    Flow,
    IterativeLeastLikely,
    Lp,
    OnePixel,
    Pixels,
    RandomDirection,
    RandomNoise,
    Restarts,
    RotationTranslation,
    SigmaZero,
    SmallestRadius,
    SpatiallyTransformed,
    Square,
    SuperDeepFool,
    SupportDescent,
    Threat,
)


@dataclass(frozen=True)
class Case:
    """An attack, a threat, and whether its optimum on affine networks is known and reached."""

    attack: Attack
    threat: Threat
    exact: bool = False
    grows: str | None = "steps"

    def __str__(self) -> str:
        return f"{type(self.attack).__name__}-{self.threat.name}"


CASES = [
    Case(FGSM(), Lp("inf", 0.1), grows=None),
    Case(FGSM(), Lp(2, 0.4), grows=None),
    Case(FGSM(), Lp(1, 1.0), grows=None),
    Case(BasicIterative(step_size=0.02), Lp("inf", 0.1)),
    Case(IterativeLeastLikely(step_size=0.02), Lp("inf", 0.1)),
    Case(PGD(steps=6), Lp("inf", 0.1)),
    Case(PGD(steps=6, restarts=2, loss="margin"), Lp(2, 0.4), grows="restarts"),
    Case(PGD(steps=6, loss="dlr", random_start=False), Lp(1, 1.0)),
    Case(DeepFool(), Lp(1), exact=True),
    Case(DeepFool(), Lp(2), exact=True),
    Case(DeepFool(), Lp("inf"), exact=True),
    Case(DeepFool(), Lp(2, 0.3)),
    Case(LBFGS(searches=6, steps=20), Lp(2), grows="searches"),
    Case(LBFGS(searches=3, steps=12, untargeted="random"), Lp(2), grows="searches"),
    Case(BoundaryDescent(steps=20), Lp(1), exact=True, grows=None),
    Case(BoundaryDescent(steps=20, runs=2), Lp(2), exact=True, grows=None),
    Case(BoundaryDescent(steps=20), Lp("inf"), exact=True, grows=None),
    Case(SupportDescent(steps=12), Lp(0), grows=None),
    Case(SupportDescent(steps=12), Pixels(5), grows=None),
    Case(RandomNoise(draws=6), Lp("inf", 0.2), grows="draws"),
    Case(RandomNoise(draws=6), Lp(0, 3), grows="draws"),
    Case(RandomDirection(directions=2), Lp(2), grows="directions"),
    Case(JSMA(fraction=0.4), Lp(0), grows="fraction"),
    Case(JSMA(theta=-1.0, pairs=False, on="logits"), Lp(0, 5), grows="fraction"),
    Case(OnePixel(population=12, generations=4), Pixels(2), grows="generations"),
    Case(CarliniWagnerL2(searches=2, steps=10, learning_rate=0.1, constant=0.1), Lp(2), grows="searches"),
    Case(CarliniWagnerL0(steps=10, learning_rate=0.2, rivals=1), Pixels(math.inf), grows="rivals"),
    Case(CarliniWagnerL0(steps=10, learning_rate=0.2, rivals=0), Lp(0), grows=None),
    Case(CarliniWagnerLinf(steps=10, learning_rate=0.1, refinements=1), Lp("inf"), grows=None),
    Case(APGD(steps=6), Lp("inf", 0.1), grows="restarts"),
    Case(APGD(steps=6, loss="margin", restarts=2), Lp(2, 0.4), grows="restarts"),
    Case(APGD(steps=9), Lp(1, 0.8), grows="restarts"),
    Case(FAB(steps=6), Lp("inf"), exact=True, grows="restarts"),
    Case(FAB(steps=6, restarts=2), Lp(2), exact=True, grows="restarts"),
    Case(FAB(steps=6, targets=2), Lp(1), exact=True, grows="restarts"),
    Case(FAB(steps=6, targets=3), Lp("inf", 0.1), grows="restarts"),
    Case(AutoAttack(steps=4, queries=6), Lp("inf", 0.1), grows="queries"),
    Case(ALMA(steps=10, first_distance=0.3), Lp(1), grows=None),
    Case(ALMA(steps=10, first_distance=0.3), Lp(2), grows=None),
    Case(ADef(steps=20), Flow(1.5)),
    Case(ADef(steps=20, candidates=3, smoothing=0.0), Flow(math.inf)),
    Case(RandomNoise(draws=8), Flow(1.0), grows="draws"),
    Case(SpatiallyTransformed(steps=8), Flow(math.inf)),
    Case(SpatiallyTransformed(steps=6, memory=3), Flow(1.0)),
    Case(RotationTranslation(angles=7, degrees=90, reach=0.3), Flow(math.inf), grows=None),
    Case(RotationTranslation("random", draws=8, degrees=60, reach=0.5), Flow(1.5), grows="draws"),
    Case(Square(queries=40), Lp("inf", 0.2), grows="restarts"),
    Case(Square(queries=40), Lp(2, 0.5), grows="restarts"),
    Case(DDN(steps=8), Lp(2), grows=None),
    Case(FMN(steps=8), Lp(0), grows=None),
    Case(FMN(steps=8), Lp(1), grows=None),
    Case(FMN(steps=8), Lp(2), grows=None),
    Case(FMN(steps=8), Lp("inf"), grows=None),
    Case(SuperDeepFool(steps=6, walk=10), Lp(2), exact=True),
    Case(SigmaZero(steps=10), Lp(0), grows=None),
    Case(PDPGD(steps=10), Lp(0), grows=None),
    Case(PDPGD(steps=10), Lp(1), grows=None),
    Case(PDPGD(steps=10), Lp(2), grows=None),
    Case(PDPGD(steps=10), Lp("inf"), grows=None),
    Case(SmallestRadius(PGD(steps=6), steps=6), Lp(2)),
    Case(SmallestRadius(FGSM(), steps=24), Lp("inf")),
    Case(Restarts(PGD(steps=3), 2), Lp("inf", 0.1), grows="count"),
    Case(Cascade((FGSM(), PGD(steps=3))), Lp("inf", 0.1), grows=None),
]
