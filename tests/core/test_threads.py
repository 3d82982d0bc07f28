"""Several threads at once, and generators: modules and random states as found, results as alone, nobody hung."""

import copy
import gc
import random
import threading
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from torch import Tensor, nn

from brittle import PGD, Classifier, Lp, Result, RunError, run
from brittle.classifiers.frozen import preserving_state
from brittle.core.randomness import is_randomised

LINF = Lp("inf", 0.05)
AWHILE = 0.15
"""Seconds for which a thread inside a network waits for the other one, who is not to come in."""
LONG = 10.0


class Meets(nn.Module):
    """A network in whose passes threads wait for each other, so that they are inside at once where that can be."""

    def __init__(self, inner: nn.Module, meet: Callable[[], object]):
        super().__init__()
        self.inner, self.meet = inner, meet

    def forward(self, x: Tensor) -> Tensor:
        self.meet()
        return self.inner(x)


def network() -> nn.Sequential:
    """Dropout and batch statistics in train mode, one layer frozen."""
    body = convolutional(channels=1).module
    assert isinstance(body, nn.Sequential)
    body = copy.deepcopy(body)  # what it subtracts is one for all
    module = nn.Sequential(nn.BatchNorm2d(1), *body[:-1], nn.Dropout(0.5), body[-1])
    module[0].requires_grad_(False)
    return module.float().train()


def attacked(module: nn.Module, seed: int = 0, **options) -> Result:
    return run(PGD(steps=3), Classifier(module), middle(6).float(), threat=LINF, seed=seed, **options)


def state_of(module: nn.Module) -> list[object]:
    modes = [child.training for child in module.modules()]
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    gradients = [parameter.grad for parameter in module.parameters()]
    hooks = [(len(child._forward_hooks), len(child._forward_pre_hooks)) for child in module.modules()]
    return [modes, wanted, gradients, hooks, *(buffer.tolist() for buffer in module.buffers())]


def random_states() -> list[object]:
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    return [torch.get_rng_state().tolist(), str(numpy), np.array(numpy["state"]["key"]).tolist(), random.getstate()]


def together(*jobs: Callable[[], object]) -> list[object]:
    """What each job returned or raised, each in a thread of its own; none may hang."""
    found: list[object] = [None] * len(jobs)

    def work(place: int) -> None:
        try:
            found[place] = jobs[place]()
        except BaseException as error:  # it is what the test asks about
            found[place] = error

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)
    return found


class Overtaken:
    """Lets the first thread wait in its pass for the second, and the second one for the end of the first."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.came, self.left = threading.Event(), threading.Event()

    def __call__(self) -> None:
        me = threading.get_ident()
        self.first = self.first or me
        if me == self.first:
            self.came.wait(AWHILE)
        else:
            self.came.set()
            self.left.wait(AWHILE)


@pytest.mark.parametrize("wrapped", [False, True], ids=["same", "one wraps the other"])
def test_two_threads_on_one_module_leave_it_as_found(wrapped):
    meet = Overtaken()
    module = Meets(network(), meet)
    other = nn.Sequential(nn.Identity(), module) if wrapped else module
    before, alone = state_of(module), attacked(copy.deepcopy(module.inner))
    started = threading.Event()

    def first() -> Result:
        started.set()
        result = attacked(module)
        meet.left.set()
        return result

    def second() -> Result:
        started.wait(LONG)
        while meet.first is None:  # the first one is in its pass
            pass
        return attacked(other)

    for result in together(first, second):
        assert isinstance(result, Result)
        assert torch.equal(result.adversarial, alone.adversarial)
    assert state_of(module) == before


class Draws(nn.Module):
    """Adds noise from one of the global random states."""

    def __init__(self, source: str, meet: Callable[[], object]):
        super().__init__()
        torch.manual_seed(5)
        self.source, self.meet, self.inner = source, meet, convolutional(channels=1).module

    def forward(self, x: Tensor) -> Tensor:
        self.meet()
        numbers = {
            "torch": lambda: torch.rand(x.shape),
            "numpy": lambda: torch.from_numpy(np.random.rand(*x.shape)),  # noqa: NPY002
            "normal": lambda: torch.tensor(np.random.randn()),  # noqa: NPY002  # its second number is kept in the state
            "python": lambda: torch.tensor([random.random() for _ in range(x[0].numel())]).reshape(x.shape[1:]),
        }[self.source]()
        self.meet()
        return self.inner(x + 0.2 * numbers.to(x))


def nothing() -> None:
    """Nobody to wait for."""


def meeting(count: int = 2, seconds: float = AWHILE) -> Callable[[], None]:
    barrier = threading.Barrier(count)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(seconds)

    return meet


@pytest.mark.parametrize("source", ["torch", "numpy", "normal", "python"])
@pytest.mark.parametrize("eot_samples", [1, 2])
def test_each_thread_has_random_numbers_of_its_own(source, eot_samples):
    """Two networks that draw, in two threads whose passes would fall together."""
    alone = [attacked(Draws(source, nothing), seed, eot_samples=eot_samples) for seed in (0, 1)]
    meet, before = meeting(), random_states()
    modules = [Draws(source, meet) for _ in range(2)]
    before = random_states()
    found = together(*(lambda seed=seed: attacked(modules[seed], seed, eot_samples=eot_samples) for seed in (0, 1)))
    for one, other in zip(found, alone, strict=True):
        assert isinstance(one, Result)
        assert torch.equal(one.adversarial, other.adversarial)
    assert random_states() == before
    assert not torch.equal(alone[0].adversarial, alone[1].adversarial)


@pytest.mark.parametrize("source", ["numpy", "normal", "python"])
def test_networks_that_draw_from_numpy_and_python_are_as_those_of_torch(source):
    module = Draws(source, nothing)
    np.random.seed(3)  # noqa: NPY002
    np.random.randn()  # noqa: NPY002
    random.seed(3)
    before = random_states()
    first = attacked(module)
    assert random_states() == before
    np.random.rand()  # noqa: NPY002
    random.random()
    assert torch.equal(first.adversarial, attacked(module).adversarial)
    several = [attacked(module, eot_samples=3).adversarial for _ in range(2)]
    assert torch.equal(*several)
    before = random_states()
    assert is_randomised(Classifier(module), middle(4).float())
    assert random_states() == before


def test_another_generator_of_numpy_is_put_back():
    usual = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(3))
        state = np.random.get_bit_generator().state
        attacked(Draws("numpy", nothing))
        assert np.random.get_bit_generator().state == state
    finally:
        np.random.set_bit_generator(usual)


@pytest.mark.parametrize("shared", [False, True], ids=["two networks", "one callable"])
def test_networks_that_draw_nothing_are_asked_side_by_side(shared):
    """After the first pass, in which that is seen; a callable may be a service that takes its time."""
    met, inside = [], threading.Barrier(2)
    outside = threading.Barrier(2)
    passes: dict[int, int] = {}

    def meet() -> None:
        me = threading.get_ident()
        passes[me] = passes.get(me, 0) + 1
        if passes[me] == 3:
            inside.wait(LONG)
            met.append(me)

    modules: list[Meets] = [Meets(network(), nothing).eval() for _ in range(2)]
    classifiers = [Classifier(modules[0].__call__)] * 2 if shared else [Classifier(module) for module in modules]
    images = middle(4).float()
    for classifier in classifiers:
        classifier.logits(images)  # how it is asked is found out
    for module in modules:
        module.meet = meet

    def job(classifier: Classifier) -> None:
        with preserving_state(classifier.module), torch.no_grad():
            outside.wait(LONG)
            for _ in range(3):
                classifier.logits(images)
                outside.wait(LONG)

    assert together(*(lambda one=one: job(one) for one in classifiers)) == [None, None]
    assert len(met) == 2


def test_blocks_that_overlap_in_one_thread_leave_nothing():
    """As those of two generators, or of two tasks of asyncio, that are gone through in turn."""
    module = network()
    before, states = state_of(module), random_states()
    first, second, third = (preserving_state(one) for one in (module, nn.Sequential(module), module))
    first.__enter__()
    second.__enter__()
    module[0].running_mean.add_(1)  # pyright: ignore[reportOperatorIssue, reportCallIssue, reportArgumentType]
    third.__enter__()
    first.__exit__(None, None, None)
    assert not any(child.training for child in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    third.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert state_of(module) == before
    assert random_states() == states


def test_a_block_entered_in_one_thread_may_be_left_in_another():
    module = network()
    before, states = state_of(module), random_states()
    block = preserving_state(module)

    def leave() -> bool:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            block.__exit__(None, None, None)
            return torch.is_grad_enabled() or not torch.is_autocast_enabled("cpu")

    assert together(block.__enter__)[0] is None
    assert together(leave) == [False]
    assert state_of(module) == before
    assert random_states() == states
    assert isinstance(together(lambda: attacked(module))[0], Result)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_one_thread_does_not_harm_the_other(error):
    inside, module = threading.Event(), Meets(network(), nothing)
    before, alone = state_of(module), attacked(module)

    def fail() -> None:
        if not inside.is_set():
            inside.set()
            threading.Event().wait(AWHILE)  # the other one has come to the door
            raise error("no")

    module.meet = fail

    def second() -> Result:
        inside.wait(LONG)
        return attacked(module)

    failed, result = together(lambda: attacked(module), second)
    assert isinstance(failed, error) or isinstance(failed.__cause__, error)
    assert isinstance(result, Result)
    assert torch.equal(result.adversarial, alone.adversarial)
    assert state_of(module) == before


def test_an_interruption_while_things_are_put_back_is_waited_out():
    class Interrupted(nn.Dropout):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == "training" and value and armed.pop():
                raise KeyboardInterrupt

    armed = [False]
    module = nn.Sequential(Interrupted(), network()).train()
    before = state_of(module)
    armed[:] = [False, False, True]
    with pytest.raises(KeyboardInterrupt), preserving_state(module):
        pass
    assert state_of(module) == before
    assert isinstance(together(lambda: attacked(network()))[0], Result)


def test_two_threads_that_wait_for_each_other_are_told():
    modules, inside = [network(), network()], threading.Barrier(2)
    before = [state_of(module) for module in modules]

    def job(place: int) -> None:
        with preserving_state(modules[place]):
            inside.wait(LONG)
            with preserving_state(modules[1 - place]):
                pass

    found = together(lambda: job(0), lambda: job(1))
    (error,) = [one for one in found if one is not None]
    assert isinstance(error, RunError)
    assert "each hold a network" in str(error)
    assert [state_of(module) for module in modules] == before


class Purifies(nn.Module):
    """A network that runs an attack of its own before it answers."""

    def __init__(self, meet: Callable[[], object]):
        super().__init__()
        self.inner, self.meet = network(), meet

    def forward(self, x: Tensor) -> Tensor:
        self.meet()
        away = run(PGD(steps=1), Classifier(self.inner), x.detach(), threat=LINF).adversarial
        self.meet()
        return self.inner(x + (x.detach() - away))


def test_networks_that_use_brittle_themselves_go_on_in_two_threads():
    torch.manual_seed(1)
    first, meet = Purifies(nothing), meeting()
    modules = [Purifies(meet), Purifies(meet)]
    for module in modules:
        module.load_state_dict(first.state_dict())
    alone = attacked(first)
    for result in together(*(lambda one=one: attacked(one) for one in modules)):
        assert isinstance(result, Result)
        assert torch.equal(result.adversarial, alone.adversarial)


def test_the_data_parallel_wrapper_leaves_what_it_wraps_as_found():
    module = network()
    before, alone = state_of(module), attacked(copy.deepcopy(module))
    wrapped = nn.DataParallel(module)
    assert torch.equal(attacked(wrapped).adversarial, alone.adversarial)
    assert state_of(module) == before
    assert wrapped.training


def test_the_distributed_wrapper_leaves_what_it_wraps_as_found():
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("torch without gloo")
    store = distributed.HashStore()  # pyright: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapped_as_found()
    finally:
        gc.collect()  # the wrapper goes first: whoever goes last waits for the threads of the group
        distributed.destroy_process_group()


def wrapped_as_found():
    module = network()
    alone = attacked(copy.deepcopy(module))
    wrapped = nn.parallel.DistributedDataParallel(module)
    before = state_of(wrapped)
    assert torch.equal(attacked(wrapped).adversarial, alone.adversarial)
    assert state_of(wrapped) == before
    wrapped(middle(6).float()).sum().backward()  # and can be trained afterwards
    assert any(parameter.grad is not None for parameter in module.parameters())


def test_a_run_says_under_which_autocast_it_was_judged():
    module = network()
    assert attacked(module).autocast == ""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = attacked(module)
    assert result.autocast == "autocast to bfloat16 on cpu"
    assert "autocast" not in result.table().column_names
    with torch.autocast("cpu", dtype=torch.bfloat16):
        other_thread = together(lambda: attacked(module))[0]  # autocast is the thread's own
    assert isinstance(other_thread, Result)
    assert other_thread.autocast == ""


def test_the_trial_of_an_order_in_memory_leaves_the_buffers():
    """So that a network that answers by what it has counted answers the first run as it does the second."""

    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()
            self.register_buffer("passes", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.passes += 1
            return self.inner(x + 0.02 * self.passes)

    module = Counts()
    assert torch.equal(attacked(module).adversarial, attacked(module).adversarial)
