import pytest

from brittle.evaluation import prepared
from brittle.evaluation.audit import audit


@pytest.fixture(scope="module")
def small_parts():
    """Parts of eight images, so that few images have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "PARTS_OF", 8)
        yield


@pytest.fixture(scope="module")
def whole(request, small_parts, tmp_path_factory):
    """The audit that the module asks for, done by one process part after part."""
    return audit("digits-lenet", "digits", tmp_path_factory.mktemp("whole"), **request.module.ASKED)
