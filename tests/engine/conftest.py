import pytest
import torch
from crew_work import MORTAL, rows

from brittle.evaluation.audit import audit


@pytest.fixture(scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "mortal.py"
    path.write_text(MORTAL)
    return path


@pytest.fixture(scope="module")
def asked(mortal):
    return {"attacks": ["pgd:steps=5", f"{mortal}:Mortal"], "eps": 0.1, "max_images": 130}


@pytest.fixture(scope="module")
def whole(asked, one_thread, tmp_path_factory):
    return rows(audit("digits-lenet", "digits", tmp_path_factory.mktemp("whole"), **asked))
