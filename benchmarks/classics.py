"""What is compared of the older and of the sparse attacks, by gradients and the one-pixel attack."""

from __future__ import annotations

import brittle
from benchmarks.contest import Call, Contest, art, ours, torchattacks
from benchmarks.minimum import Search, adv_lib, foolbox, own

STEPS, SEARCHES = 300, 3
"""Of the minimum-norm attacks, and Carlini-Wagner's searches."""
FRACTION = 0.145
"""Fraction of the features that JSMA may change, as published."""


def contests() -> dict[str, Contest]:
    """Return every comparison; the first contender is ours, and the others' times are compared with its."""
    given = {"binary_search_steps": SEARCHES, "initial_const": 1.0}  # theirs, 0.001, is too far off for 3 searches
    adv_cw = adv_lib("carlini_wagner.l2", "carlini_wagner_l2", steps="max_iterations", **given)
    return {
        "cw-l2": Contest(
            2,
            f"Carlini-Wagner L2, {SEARCHES} searches of {STEPS} steps (torchattacks one), the peers from c = 1; L-BFGS",
            {
                "brittle cw-l2": searched(own(f"cw-l2:searches={SEARCHES},steps=STEPS"), 2),
                "brittle lbfgs": searched(own("lbfgs"), 2),
                "foolbox": searched(foolbox("L2CarliniWagnerAttack", **given), 2),
                "adv-lib": searched(adv_cw, 2),
                "torchattacks": torchattacks("CW", steps=STEPS),
                "art": art("CarliniL2Method", max_iter=STEPS, batch_size=256, **given),
            },
        ),
        "jsma": Contest(
            0,
            f"JSMA towards the next class, at most {FRACTION:.1%} of the features",
            {
                "brittle": ours(brittle.JSMA(fraction=FRACTION), brittle.Lp(0), aimed=True),
                "torchattacks": torchattacks("JSMA", theta=1.0, gamma=FRACTION),
                "art": art("SaliencyMapMethod", theta=1.0, gamma=FRACTION, batch_size=256),
            },
            aimed=True,
        ),
        "l0": Contest(
            0,
            f"the fewest pixels, {STEPS} steps",
            {
                "brittle support-descent": searched(own("support-descent:steps=STEPS"), 0),
                "brittle cw-l0": searched(own("cw-l0"), 0),
                "brittle sigma-zero": searched(own("sigma-zero:steps=STEPS"), 0),
                "adv-lib sigma-zero": searched(adv_lib("sigma_zero", "sigma_zero", steps="num_steps"), 0),
                "foolbox FMN": searched(foolbox("L0FMNAttack"), 0),
            },
        ),
        "one-pixel": one_pixel(9, 10),  # torchattacks' own settings; it makes 9 candidates of 10
        "one-pixel-published": one_pixel(399, 100),  # the paper's; it makes 399 of 400
    }


def one_pixel(candidates: int, generations: int) -> Contest:
    """Return the contest of the one-pixel attacks; torchattacks' candidates are multiples of 3 for grey images."""
    own_attack = brittle.OnePixel(population=candidates, generations=generations, stop="success")
    return Contest(
        0,
        f"one pixel, {candidates} candidates, {generations} generations",
        {
            "brittle": ours(own_attack, brittle.Pixels(1)),
            "torchattacks": torchattacks("OnePixel", pixels=1, steps=generations, popsize=candidates),
        },
    )


def searched(search: Search, p: float) -> Call:
    """Return a search for the smallest change as a contender."""
    return lambda module, images, labels, _: search(module, images, labels, p, STEPS)
