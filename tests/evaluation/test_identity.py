"""Rows of other code, of other weights or of another network are never taken for one's own."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from brittle import ModelError, RunError
from brittle.classifiers.classifier import Classifier
from brittle.evaluation.audit import audit
from brittle.evaluation.universal import universal
from brittle.models import Network, open_network
from brittle.report import write_report
from brittle.runs.manifest import Manifest
from brittle.runs.store import RunFolder
from brittle.runs.summary import summarise
from brittle.threats import Lp
from brittle.training.fit import fit
from brittle.training.recipe import PlainTraining
from brittle.universal_attacks.ascent import UniversalAscent
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.search import UniversalProblem, find_universal

pytestmark = pytest.mark.usefixtures("few_checks")

QUICK = {"attacks": ["fgsm"], "eps": 0.1, "max_images": 8}
SILENT = {"attacks": ["noise:draws=3"], "eps": 0.3, "max_images": 8}
OTHER = "a" * 64

NET = """
import functools
from torch import nn
from own_helper import classify
from brittle.models import open_network

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = open_network("digits-lenet").module

    def forward(self, images):
        from own_late import turned
        return turned(classify(self.inner, images))

def make():
    return Wrapped()
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "own_helper.py").write_text("def classify(inner, images):\n    return inner(images)\n")
    (tmp_path / "own_late.py").write_text("def turned(logits):\n    return logits\n")
    yield tmp_path
    for name in ("own_helper", "own_late"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("file", ["own_helper.py", "own_late.py", "net.py"])
def test_an_edited_module_makes_another_run(project, file, monkeypatch):
    monkeypatch.syspath_prepend(project)  # an import inside a function looks for its neighbours when it is called
    spec, out = f"{project}/net.py:make", project / "run"
    before = audit(spec, "digits", out, **QUICK)
    assert before.manifest.code is not None
    assert {"net.py", "own_helper.py", "own_late.py"} <= before.manifest.code.yours.keys()
    assert audit(spec, "digits", out, **QUICK).table("fgsm").equals(before.table("fgsm")), "the same goes on"
    text = (project / file).read_text()
    edited = text.replace("return logits", "return logits.roll(1, 1)").replace(
        "inner(images)", "inner(images).roll(1, 1)"
    )
    (project / file).write_text(edited if edited != text else f"{text}\n# edited\n")
    with pytest.raises(RunError, match=rf"holds another run, which stays as it is(.|\n)*your code: {file} was changed"):
        audit(spec, "digits", out, **QUICK)
    assert RunFolder.open(out).table("fgsm").equals(before.table("fgsm")), "nothing is destroyed"
    fresh = summarise(audit(spec, "digits", project / "fresh", **QUICK)).clean.value
    assert fresh == (summarise(before).clean.value if file == "net.py" else 0.0), "the edited code is what runs"


LATE = """
from brittle.models import open_network

class Net(open_network("digits-lenet").module.__class__):
    def forward(self, images):
        if images.requires_grad:
            from own_gradient import turned
            return turned(super().forward(images))
        return super().forward(images)

def make():
    return Net(*open_network("digits-lenet").module)
"""


def test_a_module_loaded_by_the_attacks_alone_counts_in_whatever_order(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_net.py").write_text(LATE)
    (tmp_path / "own_gradient.py").write_text("def turned(logits):\n    return logits\n")
    spec, out = f"{tmp_path}/late_net.py:make", tmp_path / "run"
    try:
        before = audit(spec, "digits", out, **QUICK)
        assert before.manifest.code is not None
        assert before.manifest.code.yours.keys() == {"late_net.py"}
        assert str(tmp_path / "own_gradient.py") in before.manifest.files
        audit(spec, "digits", out, **QUICK)  # loaded from the start now
        first_loaded = audit(spec, "digits", tmp_path / "other", **QUICK)
        assert first_loaded.manifest.code is not None
        assert first_loaded.manifest.code.yours.keys() == {"late_net.py", "own_gradient.py"}
        sys.modules.pop("own_gradient")
        audit(spec, "digits", tmp_path / "other", **QUICK)  # and later than in the run that goes on
        (tmp_path / "own_gradient.py").write_text("def turned(logits):\n    return -logits\n")
        sys.modules.pop("own_gradient", None)
        for folder in ("run", "other"):
            with pytest.raises(RunError, match=r"your code: .*own_gradient.py, which was loaded only while"):
                audit(spec, "digits", tmp_path / folder, **QUICK)
    finally:
        sys.modules.pop("own_gradient", None)


def lenet() -> nn.Module:
    return open_network("digits-lenet").module


def wrapped(function) -> Network:
    return Network("own", function, "0" * 64, (1, 28, 28), tuple("0123456789"))


def by_closure(inner):
    return lambda images: inner(images)


class Held(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.held = [inner]

    def forward(self, images):
        return self.held[0](images)


def frozen(inner):
    return by_closure(torch.jit.freeze(torch.jit.trace(inner.eval(), torch.rand(2, 1, 28, 28))))


@pytest.mark.filterwarnings("ignore:.*torch.*deprecated")
@pytest.mark.parametrize("wrap", [by_closure, Held, frozen])
def test_replaced_weights_make_another_run(tmp_path, wrap):
    options = QUICK if wrap is Held else SILENT
    audit(wrapped(wrap(lenet())), "digits", tmp_path, **options)
    audit(wrapped(wrap(lenet())), "digits", tmp_path, **options)
    other = lenet()
    with torch.no_grad():
        next(other.parameters()).mul_(-1)
    with pytest.raises(RunError, match=r"network: own \(content 0000.*weights .*now own"):
        audit(wrapped(wrap(other)), "digits", tmp_path, **options)


def test_another_code_of_brittle_makes_another_run(tmp_path, monkeypatch):
    audit("digits-lenet", "digits", tmp_path, **QUICK)
    monkeypatch.setattr("brittle.evaluation.provenance.own_digest", lambda: OTHER)
    with pytest.raises(RunError, match=r"another run(.|\n)*brittle's code: .*, now \W?aaaa"):
        audit("digits-lenet", "digits", tmp_path, **QUICK)


def test_other_readings_of_the_outputs_make_another_run(tmp_path):
    network = wrapped(lambda images: lenet()(images).argmax(1))
    mine = audit(network, "digits", tmp_path, labels=10, attacks=["noise:draws=2"], eps=0.1, max_images=5).manifest
    assert mine.network.outputs == "labels=10"
    network = mine.network.model_copy(update={"outputs": ""})
    (line,) = mine.differences(mine.model_copy(update={"network": network}))
    assert "outputs labels=10" in line


def service(path: Path):
    """A callable whose weights lie behind a file that no digest sees."""
    inner = lenet()
    return wrapped(lambda images: inner(images).roll(int(path.read_text()), 1))


def test_rows_asked_anew_catch_what_no_digest_sees(tmp_path):
    path, out = tmp_path / "shift", tmp_path / "run"
    path.write_text("0")
    before = audit(service(path), "digits", out, **SILENT)
    assert before.manifest.notes == []
    again = audit(service(path), "digits", out, **SILENT)
    assert again.manifest.identity == before.manifest.identity
    assert "were asked anew and answered as stored" in again.manifest.notes[-1]
    path.write_text("1")
    with pytest.raises(RunError, match=r"asked anew \d+ differ(.|\n)*class \d at [\d.]+% stored, class \d at"):
        audit(service(path), "digits", out, **SILENT)
    assert RunFolder.open(out).table("noise_draws=3").equals(before.table("noise_draws=3"))


def test_under_a_budget_no_image_is_asked_anew_and_that_is_said(tmp_path):
    seen = [0]
    inner = lenet()

    def counted(images):
        seen[0] += len(images)
        return inner(images)

    audit(wrapped(counted), "digits", tmp_path, budget=9, **SILENT)
    seen[0] = 0
    again = audit(wrapped(counted), "digits", tmp_path, budget=9, **SILENT)
    assert seen[0] == 1, "the blank image that shows whether network and images fit"
    assert "not asked anew, because of the budget of 9 queries" in again.manifest.notes[-1]


def test_a_run_of_an_older_version_is_read(tmp_path):
    folder = audit("digits-lenet", "digits", tmp_path, **QUICK)
    old = json.loads((tmp_path / "manifest.json").read_text())
    for name in ("code", "files", "notes", "identity", "checksum"):
        del old[name]
    for name in ("tensors", "outputs", "unseen"):
        del old["network"][name]
    rewritten = Manifest.model_validate_json(json.dumps(old))
    assert "brittle's code" not in rewritten.identity_fields()
    folder.close()
    assert any("brittle's code: null" in line for line in rewritten.differences(folder.manifest))


def test_a_report_shows_the_code(tmp_path):
    folder = audit("digits-lenet", "digits", tmp_path, **QUICK)
    page = write_report(tmp_path).read_text()
    assert folder.manifest.code is not None
    assert folder.manifest.code.brittle in page


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


DATA = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3


def test_a_training_goes_on_with_the_same_code_alone(tmp_path, monkeypatch):
    path = tmp_path / "state"
    fit(small(), *DATA, settings=PlainTraining(epochs=1), checkpoint=path)
    assert fit(small(), *DATA, settings=PlainTraining(epochs=1), checkpoint=path).resumed == 1
    monkeypatch.setattr("brittle.training.identity.own_digest", lambda: OTHER)
    with pytest.raises(RunError, match="of another training; what differs: brittle's code"):
        fit(small(), *DATA, settings=PlainTraining(epochs=1), checkpoint=path)


class Scaled(nn.Module):
    def __init__(self, scale, file=None):
        super().__init__()
        self.inner, self.scale, self.file = small(), [torch.tensor(scale)], file

    def forward(self, images):
        turned = 0 if self.file is None else int(self.file.read_text())
        return (self.inner(images) * self.scale[0]).roll(turned, 1)


def test_a_training_goes_on_with_the_same_tensors_beside_its_weights(tmp_path):
    path, file = tmp_path / "state", tmp_path / "turn"
    file.write_text("0")
    settings = PlainTraining(epochs=1)
    fit(Scaled(1.0, file), *DATA, settings=settings, checkpoint=path)
    assert fit(Scaled(1.0, file), *DATA, settings=settings, checkpoint=path).resumed == 1
    with pytest.raises(RunError, match="what differs: tensors that are no weights"):
        fit(Scaled(2.0, file), *DATA, settings=settings, checkpoint=path)
    file.write_text("1")
    with pytest.raises(RunError, match=r"4 images asked anew differ by up to"):
        fit(Scaled(1.0, file), *DATA, settings=settings, checkpoint=path)


def search(module, path):
    some = ImageSet(Classifier(module), DATA[0])
    problem = UniversalProblem(some.classifier, some.shape, Lp("inf", 0.1), some)
    return find_universal(UniversalAscent(passes=1), problem, checkpoint=path)


def test_a_universal_search_goes_on_with_the_same_network_and_code_alone(tmp_path, monkeypatch):
    path, file = tmp_path / "checkpoint", tmp_path / "turn"
    file.write_text("0")
    found = search(Scaled(1.0, file), path)
    assert torch.equal(search(Scaled(1.0, file), path).tensor, found.tensor)
    with pytest.raises(RunError, match="of another search; what differs: weights"):
        search(Scaled(2.0, file), path)
    file.write_text("1")
    with pytest.raises(RunError, match=r"answers of the network asked anew differ from those kept by up to"):
        search(Scaled(1.0, file), path)
    file.write_text("0")
    monkeypatch.setattr("brittle.universal_attacks.course.own_digest", lambda: OTHER)
    with pytest.raises(RunError, match="what differs: brittle's code"):
        search(Scaled(1.0, file), path)


def test_a_perturbation_says_which_code_made_it(tmp_path):
    made = universal("digits-lenet", "digits", tmp_path / "v", attack="ascent:passes=1", max_images=20, eps=0.1)
    assert {"brittle's code", "your code", "weights", "outputs"} <= made.perturbation.made.keys()


def test_a_module_edited_under_a_running_python_is_loaded_anew(project, monkeypatch):
    monkeypatch.syspath_prepend(project)
    spec = f"{project}/net.py:make"
    images = torch.rand(2, 1, 28, 28)
    first = open_network(spec)
    before = first.module(images)
    (project / "own_helper.py").write_text("def classify(inner, images):\n    return inner(images) * 2\n")
    second = open_network(spec)
    assert torch.allclose(second.module(images), before * 2)
    assert first.sources == second.sources
    with pytest.raises(ModelError):
        open_network(f"{project}/net.py:nothing")
