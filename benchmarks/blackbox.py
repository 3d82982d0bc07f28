"""What is compared of the attacks without gradients."""

from __future__ import annotations

from torch import Tensor, nn

import brittle
from benchmarks.contest import Call, Contest, art, ours, torchattacks
from benchmarks.peers import peer

WALK, JUMP, COORDINATES, SPSA = 5000, 20, 3000, 20
"""Steps of the boundary attack, HopSkipJump, SimBA and SPSA."""
PAIRS = 128
"""Of the points of an estimate of SPSA."""
RADIUS = 0.3
"""Of SPSA and Square, in linf."""
QUERIES = 1000
"""Of Square."""


def contests() -> dict[str, Contest]:
    """Return every comparison; the first contender is ours, and the others' times are compared with its."""
    near, within = brittle.Lp(2), brittle.Lp("inf", RADIUS)
    return {
        "boundary": Contest(
            2,
            f"the boundary attack, {WALK} steps; foolbox from the points that ours starts from",
            {
                "brittle": ours(brittle.Boundary(steps=WALK), near),
                "foolbox": _foolbox("BoundaryAttack", steps=WALK, tensorboard=False),
            },
        ),
        "hop-skip-jump": Contest(
            2,
            f"HopSkipJump, {JUMP} steps; foolbox from the points that ours starts from",
            {
                "brittle": ours(brittle.HopSkipJump(steps=JUMP), near),
                "foolbox": _foolbox("HopSkipJumpAttack", steps=JUMP),
                "art": art("HopSkipJump", max_iter=JUMP, max_eval=10000, init_eval=100, batch_size=256),
            },
        ),
        "simba": Contest(
            2,
            f"SimBA by pixels, steps of 0.2, at most {COORDINATES} directions",
            {
                "brittle": ours(brittle.SimBA(epsilon=0.2, steps=COORDINATES), near),
                "art": art("SimBA", attack="px", epsilon=0.2, max_iter=COORDINATES, order="random"),
            },
        ),
        "spsa": Contest(
            float("inf"),
            f"SPSA, linf {RADIUS:g}, {SPSA} steps of {PAIRS} pairs of points",
            {
                "brittle": ours(brittle.SPSA(steps=SPSA, draws=2 * PAIRS), within),
                "torchattacks": torchattacks("SPSA", eps=RADIUS, nb_iter=SPSA, nb_sample=PAIRS, max_batch_size=256),
            },
            radius=RADIUS,
        ),
        "square": Contest(
            float("inf"),
            f"Square, linf {RADIUS:g}, {QUERIES} queries",
            {
                "brittle": ours(brittle.Square(queries=QUERIES), within),
                "torchattacks": torchattacks("Square", norm="Linf", eps=RADIUS, n_queries=QUERIES, loss="margin"),
                "art": art("SquareAttack", norm="inf", eps=RADIUS, max_iter=QUERIES, batch_size=256),
            },
            radius=RADIUS,
        ),
    }


def _foolbox(name: str, **options: object) -> Call:
    """Return an attack of foolbox that goes on from points that are wrong already."""

    def call(module: nn.Module, images: Tensor, labels: Tensor, _: Tensor) -> Tensor:
        library = peer("foolbox")
        attack = getattr(library.attacks, name)(**options)
        model = library.PyTorchModel(module, bounds=(0, 1), device="cpu")
        begin = ours(brittle.HopSkipJump(steps=0), brittle.Lp(2))(module, images, labels, labels)
        return attack(model, images, labels, epsilons=None, starting_points=begin)[1]

    return call
