"""Files as people have them: the figure of the same images or network elsewhere, or a refusal that names the cause."""

import re
from pathlib import Path

import files
import networks
import pytest
from expected import half

from brittle import BrittleError
from brittle.evaluation.audit import audit
from brittle.runs.summary import summarise

pytestmark = pytest.mark.usefixtures("few_checks")

NETWORK = f"{networks.__file__}:reference"
ATTACKS = ("fgsm", "deepfool")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("right")
    return summarise(audit(NETWORK, files.bytes_in_npz(folder), folder / "run", attacks=ATTACKS, eps=0.1))


@pytest.mark.parametrize("written", files.DATA, ids=lambda one: one.__name__)
def test_images_give_the_same_figures_or_are_refused(written, right, tmp_path: Path):
    refusal = files.DATA[written]
    if refusal is not None:
        with pytest.raises(BrittleError) as caught:
            audit(NETWORK, written(tmp_path), tmp_path / "run", attacks=ATTACKS, eps=0.1)
        assert re.search(refusal, str(caught.value)), caught.value
        return
    found = summarise(audit(NETWORK, written(tmp_path), tmp_path / "run", attacks=ATTACKS, eps=0.1))
    assert found.clean.value == right.clean.value == 1
    assert found.images == right.images == 20
    assert found.robust.value == right.robust.value
    assert 0 < right.robust.value < 1


@pytest.mark.parametrize("written", files.NETWORKS, ids=lambda one: one.__name__)
def test_networks_give_the_same_figures_or_are_refused(written, right, tmp_path: Path):
    refusal, data = files.NETWORKS[written], files.bytes_in_npz(tmp_path)
    weights = tmp_path / "w.safetensors"
    options = {"attacks": ATTACKS, "eps": 0.1}
    spec = written(tmp_path)
    options |= {"weights": weights} if weights.exists() else {}
    if refusal is not None:
        with pytest.raises(BrittleError) as caught:
            audit(spec, data, tmp_path / "run", **options)
        assert re.search(refusal, str(caught.value)), caught.value
        return
    found = summarise(audit(spec, data, tmp_path / "run", **options))
    images = half("").images if "half" in spec or "float16" in spec else 0
    assert abs(found.robust.value - right.robust.value) * 20 <= max(images, 1)
