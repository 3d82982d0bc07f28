"""`assert_robust`, and the fixture of pytest that is made of it."""

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import two_tones as helper
from two_tones import Brightness, Corner, Rounded, two_tones

import brittle
from brittle import DataError, InputError, assert_robust
from brittle.evaluation.assert_robust import NotRobust

SHORT = {"attacks": ["fgsm", "pgd:steps=5"], "eps": 0.2}
IMAGES = two_tones()


@pytest.mark.usefixtures("few_checks")
def test_a_robust_network_passes():
    summary = assert_robust(Brightness(), IMAGES, eps=0.2, at_least=0.9)
    assert (summary.robust.value, summary.images) == (1.0, 40)


def test_a_weak_network_fails_with_its_figures():
    with pytest.raises(AssertionError, match="expected a lower end of at least 90") as caught:
        assert_robust(Corner(), IMAGES, **SHORT, at_least=0.9)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("robust accuracy 0.0% (95 % interval 0.0% to 8.8%, n = 40) at linf 51/255")
    assert lines[1].startswith("broken most by ")
    assert lines[1].endswith("100.0% of 40 images that were right before")
    assert lines[2].startswith("clean accuracy 100.0%")
    assert 'out="FOLDER"' in lines[3]
    assert isinstance(caught.value, NotRobust)
    assert caught.value.summary.robust.value == 0


def test_a_keyword_that_nobody_knows_is_said_of_the_assertion():
    with pytest.raises(TypeError, match=r"^assert_robust\(\) got .* 'epsilon'; did you mean 'eps'\?$"):
        brittle.assert_robust(Corner(), IMAGES, epsilon=0.1)
    with pytest.raises(InputError, match=r"engine.*expected.*brittle\.ProcessEngine\(\)"):
        brittle.assert_robust(Corner(), IMAGES, engine="processes")


def test_few_images_are_no_evidence():
    with pytest.raises(NotRobust, match="n = 4"):
        assert_robust(Brightness(), IMAGES, **SHORT, at_least=0.9, max_images=4)


def test_a_network_that_hides_its_gradients_is_unreliable(tmp_path: Path):
    network = Rounded()
    with pytest.raises(NotRobust, match="unreliable: the robust accuracy of 100") as caught:
        assert_robust(network, IMAGES, tmp_path / "run", **SHORT, at_least=0.5)
    assert "(ignore_health=True lets it pass all the same)" in str(caught.value)
    assert f"`brittle report {tmp_path / 'run'}` writes the page" in str(caught.value)
    assert assert_robust(network, IMAGES, **SHORT, at_least=0.5, ignore_health=True).robust.value == 1


def test_a_threshold_is_a_fraction():
    with pytest.raises(InputError, match=r"at_least is 40"):
        assert_robust(Brightness(), IMAGES, **SHORT, at_least=40)


def test_what_cannot_be_audited_is_no_failed_assertion():
    with pytest.raises(DataError):
        assert_robust(Brightness(), (IMAGES[0][:0], IMAGES[1][:0]), **SHORT)


FEW_CHECKS = """
from brittle.health import examine

examine.CHECKS = examine.CHECKS[:1]
"""
"""Most of the time of an audit as small as these goes to its checks."""
TESTS = """
from two_tones import Brightness, Corner, two_tones

SHORT = {"attacks": ["fgsm", "pgd:steps=5"], "eps": 0.2, "at_least": 0.9}


def test_robust(assert_robust):
    assert_robust(Brightness(), two_tones(), **SHORT)


def test_weak(assert_robust):
    assert_robust(Corner(), two_tones(), **SHORT)
"""


def test_the_fixture_keeps_figures_and_writes_the_page_of_what_failed(tmp_path: Path):
    shutil.copy(helper.__file__, tmp_path)
    (tmp_path / "conftest.py").write_text(FEW_CHECKS)
    (tmp_path / "test_networks.py").write_text(TESTS)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-p", "brittle"]
    words += ["--junitxml", "j.xml", "--basetemp", "temporary", "-p", "no:xdist", "-p", "no:cov"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    said = next(line for line in done.stdout.splitlines() if line.startswith("report: "))
    assert Path(said.removeprefix("report: ")).read_text().startswith("<!doctype html>")
    assert "Traceback" not in done.stdout
    found = {
        test.attrib["name"]: {one.attrib["name"]: one.attrib["value"] for one in test.iter("property")}
        for test in ElementTree.parse(tmp_path / "j.xml").iter("testcase")
    }
    assert found["test_robust"]["robust_accuracy"] == "1.0"
    assert found["test_weak"]["robust_accuracy_n"] == "40"
    assert found["test_weak"]["eps"] == "0.2"


def test_the_plugin_imports_no_torch():
    line = "import sys, brittle.pytest_plugin; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout == "False\n"
