"""The checkpoint of a search for a universal perturbation: its state, whose it is, and some answers of the network."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from brittle.classifiers.frozen import preserving_state
from brittle.errors import RunError
from brittle.identity.compare import KEPT_IMAGES, apart, kept_answers, stated
from brittle.identity.sources import code_behind, own_digest
from brittle.identity.walk import reach
from brittle.runs.checkpoint import read_checkpoint, write_checkpoint
from brittle.universal_attacks.problem import Pass, UniversalProblem, UniversalState


def identity_of(method: object, problem: UniversalProblem, given: str) -> str:
    """State everything that a search depends on; what the caller says of network and images is taken part by part."""
    module = problem.classifier.module
    before = reach(module)
    answers_of(problem, problem.zeros())
    seen = before.settled(reach(module))
    try:
        parts: object = json.loads(given)
    except ValueError:
        parts = given
    return stated(
        {
            "method": repr(method),
            "norm and radius": repr(problem.threat),
            "shape": problem.shape,
            "seed": problem.seed,
            "brittle's code": own_digest(),
            "your code": {**seen.code, **code_behind(seen.modules)},
            "weights": seen.digest(),
            **(cast("dict[str, object]", parts) if isinstance(parts, dict) else {"network and images": parts}),
        }
    )


def answers_of(problem: UniversalProblem, perturbation: Tensor) -> Tensor:
    """What the network says of a few images of X (without X: of none), as they are and with a perturbation."""
    classifier, some = problem.classifier, torch.arange(KEPT_IMAGES)
    blank = torch.zeros((1, *problem.shape)).to(classifier.device, classifier.dtype)
    clean = blank if problem.images is None else problem.images.at(some[: len(problem.images)])
    moved = problem.threat.put_on(clean, perturbation.to(clean), classifier.bounds, seed=problem.seed)
    with preserving_state(classifier.module, problem.seed), torch.no_grad():
        said = cast(object, classifier.logits(torch.cat([clean, moved])))
    return kept_answers(said) if isinstance(said, Tensor) and len(said) == 2 * len(clean) else clean.new_zeros((0, 1))


@dataclass(frozen=True)
class Course:
    """All that an interrupted search needs to go on.

    Attributes:
        state: after the last pass.
        best: the perturbation that the judge liked best.
        history: the passes.
    """

    state: UniversalState
    best: Tensor
    history: list[Pass]

    def save(self, path: Path, identity: str, answers: Tensor) -> None:
        """Write it as a checkpoint of a search, with what the network says of a few images."""
        tensors = {"perturbation": self.state.perturbation, "best": self.best, "answers": answers}
        tensors |= {f"extra.{name}": tensor for name, tensor in self.state.extras.items()}
        spent = {"forward": self.state.forward, "backward": self.state.backward}
        header = {**spent, "history": [asdict(one) for one in self.history]}
        write_checkpoint(path, "search", identity, header, tensors)

    @classmethod
    def load(cls, path: Path, identity: str, problem: UniversalProblem) -> "Course":
        """Read what `save` wrote.

        Raises:
            RunError: it is no checkpoint, is damaged or of another search, or the network answers otherwise than it
                did.
        """
        found = read_checkpoint(path, "search", identity)
        tensors = {name: tensor.to(problem.classifier.device) for name, tensor in found.tensors.items()}
        header, history = found.header, [Pass(**line) for line in found.header["history"]]
        extras = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("extra.")}
        state = UniversalState(tensors["perturbation"], extras, header["forward"], header["backward"])
        course, kept = cls(state, tensors["best"], history), tensors.get("answers")
        asked = 0 if kept is None else len(kept)
        off = "" if kept is None else apart(kept.cpu(), answers_of(problem, state.perturbation).cpu())
        if off:
            raise RunError(
                f"the checkpoint {str(path)!r} is of another search: {asked} answers of the network asked "
                f"anew differ from those kept {off}; its code or a file that it reads was changed; name another file, "
                "or remove it to start again"
            )
        return course
