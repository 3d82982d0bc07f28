"""What is compared of the attacks without gradients."""

from __future__ import annotations

from torch import Tensor, nn

import brittle
from benchmarks.contest import Call, Contest, art, ours, torchattacks
from benchmarks.peers import peer

STEPS = {"boundary": 5000, "hop-skip-jump": 20, "simba": 3000, "spsa": 20}
PAIRS = 128
"""Of the points of an estimate of SPSA."""
RADIUS = 0.3
"""Of SPSA and Square, in linf."""
QUERIES = 1000
"""Of Square."""


def contests() -> dict[str, Contest]:
    """Return every comparison; the first contender is ours, and the others' times are compared with its."""
    near, square = brittle.Lp(2), brittle.Lp("inf", RADIUS)
    walk, jump, coordinates, spsa = (STEPS[name] for name in ("boundary", "hop-skip-jump", "simba", "spsa"))
    return {
        "boundary": Contest(
            2,
            f"the boundary attack, {walk} steps; foolbox from the points that ours starts from",
            {
                "brittle": ours(brittle.Boundary(steps=walk), near),
                "foolbox": _foolbox("BoundaryAttack", steps=walk, tensorboard=False),
            },
        ),
        "hop-skip-jump": Contest(
            2,
            f"HopSkipJump, {jump} steps; foolbox from the points that ours starts from",
            {
                "brittle": ours(brittle.HopSkipJump(steps=jump), near),
                "foolbox": _foolbox("HopSkipJumpAttack", steps=jump),
                "art": art("HopSkipJump", max_iter=jump, max_eval=10000, init_eval=100, batch_size=256),
            },
        ),
        "simba": Contest(
            2,
            f"SimBA by pixels, steps of 0.2, at most {coordinates} directions",
            {
                "brittle": ours(brittle.SimBA(epsilon=0.2, steps=coordinates), near),
                "art": art("SimBA", attack="px", epsilon=0.2, max_iter=coordinates, order="random"),
            },
        ),
        "spsa": Contest(
            float("inf"),
            f"SPSA, linf {RADIUS:g}, {spsa} steps of {PAIRS} pairs of points",
            {
                "brittle": ours(brittle.SPSA(steps=spsa, draws=2 * PAIRS), square),
                "torchattacks": torchattacks("SPSA", eps=RADIUS, nb_iter=spsa, nb_sample=PAIRS, max_batch_size=256),
            },
            radius=RADIUS,
        ),
        "square": Contest(
            float("inf"),
            f"Square, linf {RADIUS:g}, {QUERIES} queries",
            {
                "brittle": ours(brittle.Square(queries=QUERIES), square),
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
        begin = brittle.run(
            brittle.HopSkipJump(steps=0), brittle.Classifier(module), images, labels, threat=brittle.Lp(2)
        )
        return attack(model, images, labels, epsilons=None, starting_points=begin.adversarial)[1]

    return call
