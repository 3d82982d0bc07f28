"""`substitute`: a network that is taught an oracle's decisions, and what its adversarial images do to the oracle."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brittle.arguments import Count, CountOrNone, Device, FileName, checked, fitted
from brittle.core.attack import Attack
from brittle.data import Source, open_source
from brittle.endpoint.manner import Manner
from brittle.errors import DataError, InputError
from brittle.evaluation.class_names import match_classes
from brittle.evaluation.command import command_words
from brittle.evaluation.oracle import open_oracle
from brittle.evaluation.substitute_images import Seeds, Unseen
from brittle.evaluation.substitute_lesson import Lesson
from brittle.evaluation.substitute_recipes import recipe_of
from brittle.evaluation.substitute_result import Round, Substitute
from brittle.evaluation.substitute_run import Told, teach
from brittle.evaluation.substitute_transfer import EPSILONS, Transferred, sweep
from brittle.evaluation.trainee import open_trainee
from brittle.files import as_out
from brittle.models import ARCHITECTURES, Network
from brittle.plugins.own_code import telling_of_own_code
from brittle.runs.kinds import SUBSTITUTE
from brittle.runs.place import check_folder, files_named
from brittle.specs import SEARCHING, Asked, DataLike, DataSpec, Effort, ModelLike, ModelSpec, Question

SEEDS = 150
"""Images that it begins with: those of the MNIST test set that the paper's section 5 sets aside."""
TESTS = 200
"""Images that agreement and transfer are measured on, so that all queries stay within `BUDGET`."""
EACH_ROUND = 25
"""Of these, those that are attacked after each round."""
BUDGET = 6400
"""Queries in all: so many labels the paper's section 5 buys."""
USUAL = {(1, 28, 28): "lenet-mnist", (3, 32, 32): "lenet-cifar"}
"""The substitute where none is named, by the shape of the images."""
NOTHING = (
    *(
        "size",
        "resize",
        "crop",
        "interpolation",
        "class_order",
        "skip_bad",
        "defence",
        "defence_data",
        "naive",
        "channel",
    ),
    *("target", "quantization", "confidence", "budget", "eot_samples", "batch", *SEARCHING),
)
"""What means nothing to a substitute, or is asked for by another name."""


@checked
@telling_of_own_code()
def substitute(  # noqa: PLR0913  # each of these is a question of its own
    oracle: ModelLike | ModelSpec,
    data: DataLike | DataSpec,
    out: Path | str,
    *,
    test: FileName,
    network: str | None = None,
    recipe: str = "wide",
    rounds: Count | None = None,
    augment: str = "",
    settings: str = "",
    attacks: Sequence[str | Attack] = (),
    epsilons: Sequence[float] = (),
    test_images: Count = TESTS,
    each_round: CountOrNone = EACH_ROUND,
    budget: Count | None = BUDGET,
    manner: Manner | None = None,
    question: Question | None = None,
    effort: Effort | None = None,
    force: bool = False,
    progress: Callable[[Round], None] | None = None,
    transferred: Callable[[Transferred], None] | None = None,
    watch: Callable[[float], None] | None = None,
    tell: Callable[[str], None] | None = None,
    **options: Any,
) -> Substitute:
    """Teach a network of one's own the labels of an oracle, and show the oracle what fools it.

    Papernot et al., "Practical Black-Box Attacks against Machine Learning", 2017 (arXiv:1602.02697). Every answer is
    kept in the folder as it comes, and no image is asked about twice. Killed at any moment and called again, it goes on
    after the last finished round, and from the last answer; finished and called again, it reads what it made.

    Args:
        oracle: what `open_network` understands, the URL of a service among it; a network, a module, a callable or a
            classifier; or a `ModelSpec`. It is asked for labels alone.
        data: seed images, as `audit` takes them, or a `DataSpec`: the first 150 unless `max_images` says otherwise.
            Their labels are not used.
        out: the folder: `weights.safetensors`, `substitute.json` with every round and attack, `manifest.json`, and
            `answers.sqlite` with what the oracle said, which nothing ever removes.
        test: labelled images that agreement and transfer are measured on; seed images among them are passed over.
        network: the substitute: a name of `brittle list models` or `FILE.py:FACTORY`; by default LeNet for images of
            1x28x28 and 3x32x32.
        recipe: "wide" or "published", see `docs/substitute.md`.
        rounds: instead of the recipe's own number, 8 of `wide` and 6 of `published`.
        augment: fields of `JacobianAugmentation` to change, `FIELD=VALUE,...`.
        settings: fields of `PlainTraining` to change for the training in each round.
        attacks: made on the substitute, as text or as values; by default FGSM and JSMA.
        epsilons: radii that they are tried at; by default `EPSILONS`.
        test_images: how many images are measured on at most.
        each_round: how many of them are attacked after each round too, by the first attack at the radius nearest to the
            usual one, to see what transfers so far; 0 for none.
        budget: most queries in all, those of the measuring included: what would take more is refused before anything is
            asked. None for no end.
        manner: how fast and how patiently a service is asked.
        question: the threat of the attacks, linf by default; an attack that does not know it takes one that it knows.
        effort: device of the substitute, and seed of its weights, order and choice of images.
        force: replace what another call left in the folder, but for the oracle's answers.
        progress: called after every round.
        transferred: called after every attack and radius.
        watch: told which fraction of the round's, or the attack's, images have an answer.
        tell: told in one line why a service is asked again, and what is done to images.
        **options: single fields of these values, as in `audit`.

    Returns:
        The files, the rounds, what transferred and what it cost.

    Raises:
        BrittleError: invalid input, an oracle that gives no answer, or an input/output failure.
    """
    asked = Asked.of(oracle, data, question, effort, options, without=NOTHING)
    chosen = recipe_of(recipe, rounds, augment, settings)
    seed, device = asked.effort.seed or 0, fitted("device", asked.effort.device or "cpu", Device)
    planned = sweep(attacks or chosen.attacks, asked.question, tuple(epsilons) or EPSILONS)
    path = Path(out)
    check_folder(path, SUBSTITUTE, files_named(asked.model.spec, asked.data.spec, asked.model.weights, test, network))
    found = open_oracle(asked.model, manner or Manner(), device=asked.effort.device, tell=tell)
    name = network or _usual(found.network)
    images = replace(asked.data, max_images=asked.data.max_images or SEEDS)
    design, source = open_trainee(Asked.of(name, images))
    if found.network.input_shape not in (None, design.input_shape):
        wanted, shape = ("x".join(map(str, one)) for one in (found.network.input_shape or (), design.input_shape))
        raise InputError(
            f"the oracle takes images of {wanted}, and {name} of {shape}; expected a --network for {wanted}"
        )
    seeds, tests = Seeds.of(source), _tests(test, source, found.network)
    found.check_classes(len(tests.classes))
    unseen = Unseen.of(tests, seeds, test_images)
    given: dict[str, Any] = {"data": source.spec, "out": as_out(path), "test": test, "network": name}
    given |= {"recipe": None if recipe == "wide" else recipe, "rounds": rounds, "augment": augment, "set": settings}
    given |= {
        "attack": [*dict.fromkeys(one.info.spec for one in planned if attacks)],
        "test_images": test_images,
        "each_round": each_round,
    }
    given |= {"budget": budget, **asked.stated(), "eps": ",".join(f"{one:g}" for one in epsilons) or None, "seed": seed}
    lesson = Lesson(found, design, seeds, unseen, chosen, tuple(planned), each_round, budget, seed, device)
    command = command_words(["substitute", found.network.spec], given)
    return teach(lesson, path, command, Told(progress, transferred, watch, tell), force=force)


def _usual(oracle: Network) -> str:
    """Return the substitute where the user names none."""
    shape = oracle.input_shape
    if shape in USUAL:
        return USUAL[shape]
    seen = "images of a size that it does not tell" if shape is None else f"images of {'x'.join(map(str, shape))}"
    raise InputError(
        f"the oracle takes {seen}, for which no substitute is usual; name one with --network: FILE.py:FACTORY, or one "
        f"of {', '.join(ARCHITECTURES)}"
    )


def _tests(test: str, seeds: Source, oracle: Network) -> Source:
    """Open the test images as the seed images are, their classes matched by name with the oracle's."""
    source = match_classes(oracle.classes, open_source(test, fit=seeds.fit))[0]
    if not source.labelled:
        raise DataError(f"{test} has no labels; expected labelled images, so that what transfers can be told")
    return source
