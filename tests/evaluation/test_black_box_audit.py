"""A network that is only a callable, audited end to end within a budget of queries, counted where they arrive."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brittle import InputError, ModelError, RunError
from brittle.cli import app
from brittle.evaluation.attack import attack
from brittle.evaluation.audit import audit
from brittle.models import open_network
from brittle.report import write_report
from brittle.runs.summary import summarise

SERVICE = """
import json
from pathlib import Path

import torch

from brittle.models import open_network

LOG = Path(__file__).with_name("asked.txt")


class Service:
    input_shape = (1, 28, 28)
    classes = tuple("0123456789")

    def __init__(self, answer):
        self.network, self.answer = open_network("digits-lenet").module, answer

    def __call__(self, images):
        with LOG.open("a") as log:
            log.write(f"{len(images)}\\n")
        with torch.no_grad():
            return self.answer(self.network(torch.from_numpy(images.numpy())))


def scores():
    return Service(lambda logits: logits)


def probabilities():
    return Service(lambda logits: logits.softmax(1))


def decisions():
    return Service(lambda logits: logits.argmax(1))
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    path = tmp_path / "service.py"
    path.write_text(SERVICE)
    return path


def asked(service: Path) -> int:
    """How many images have arrived since the last time."""
    log = service.with_name("asked.txt")
    count = sum(int(line) for line in log.read_text().split())
    log.unlink()
    return count


@pytest.mark.parametrize(
    ("factory", "options", "attacks"),
    [
        ("scores", {}, ["noise:draws=10", "random-direction", "square:queries=37"]),
        ("probabilities", {"probabilities": True}, ["noise:draws=10", "random-direction", "square:queries=37"]),
        ("decisions", {"labels": 10}, ["noise:draws=10", "random-direction", "hop-skip-jump"]),
    ],
)
def test_a_callable_is_audited_within_its_budget(tmp_path: Path, service: Path, factory, options, attacks):
    """With one image what arrives is what this image has cost; and one blank image to begin with."""
    spec, budget = f"{service}:{factory}", 40
    for number in (0, 3):
        folder = audit(spec, "digits", tmp_path / f"{number}", eps=0.2, max_images=number + 1, budget=budget, **options)
        assert [info.spec for info in folder.manifest.attacks] == attacks
        assert folder.manifest.budget == budget
        arrived = asked(service)
        assert arrived <= (number + 1) * budget * len(attacks) + 1
        forward = sum(sum(table["forward"].to_pylist()) for table in folder.tables().values())
        broken = sum(sum(table["success"].to_pylist()) for table in folder.tables().values())
        assert arrived == forward + broken + 1
        assert all(max(table["forward"].to_pylist()) <= budget - 1 for table in folder.tables().values())
    summary = summarise(folder)
    assert all(line.most_queries <= budget - 1 for line in summary.attacks)
    assert summary.budget == budget
    assert write_report(tmp_path / "3").exists()


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_smallest_budgets(tmp_path: Path, service: Path, budget: int):
    folder = audit(
        f"{service}:scores", "digits", tmp_path / "run", attacks=["noise"], eps=0.4, max_images=6, budget=budget
    )
    assert asked(service) <= 6 * budget + 1
    assert folder.table("noise").num_rows == 6
    assert not any(folder.table("noise")["success"].to_pylist()) or budget > 3


def test_the_budget_is_part_of_what_a_run_is(tmp_path: Path, service: Path):
    options = {"attacks": ["noise"], "eps": 0.2, "max_images": 3}
    audit(f"{service}:scores", "digits", tmp_path / "run", budget=20, **options)
    audit(f"{service}:scores", "digits", tmp_path / "run", budget=20, **options)
    with pytest.raises(RunError, match="budget: 20, now null"):
        audit(f"{service}:scores", "digits", tmp_path / "run", **options)
    with pytest.raises(InputError, match="budget is 0"):
        audit(f"{service}:scores", "digits", tmp_path / "none", budget=0, **options)
    free = audit(f"{service}:scores", "digits", tmp_path / "free", **options)
    assert "budget" not in free.manifest.identity_fields()


def test_an_attack_on_files_keeps_to_it_too(tmp_path: Path, service: Path):
    asks = {"attack": "square:queries=300", "norm": "linf", "eps": 0.4, "max_images": 1}
    saved = attack(f"{service}:scores", "digits", tmp_path / "out", budget=60, **asks)
    assert len(saved) == 1
    assert asked(service) <= 60


def test_the_command(tmp_path: Path, service: Path):
    command = [
        "audit",
        f"{service}:decisions",
        "--labels",
        "10",
        "--data",
        "digits",
        "--max-images",
        "2",
        "--norm",
        "l2",
    ]
    command += ["--budget", "50", "--json", "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["budget"] == 50
    assert all(line["most_queries"] <= 49 for line in printed["attacks"])
    assert asked(service) <= 2 * 50 * len(printed["attacks"]) + 1


def test_a_factory_that_returns_no_callable(tmp_path: Path):
    path = tmp_path / "nothing.py"
    path.write_text("def number():\n    return 3\n\n\ndef kind():\n    return dict\n")
    for name in ("number", "kind"):
        with pytest.raises(ModelError, match=r"must return a torch\.nn\.Module, or another callable"):
            open_network(f"{path}:{name}")
