"""A run folder behind a server of S3's protocol, where moto and s3fs are installed."""

import fsspec
import pytest
from crew_work import Watch, rows

import brittle
from brittle.errors import RunError
from brittle.remote import at

WHY = "needs s3fs and moto[server], which nothing else here does"
s3fs = pytest.importorskip("s3fs", reason=WHY)
server = pytest.importorskip("moto.server", reason=WHY)
ASKED = {"attacks": ["noise:draws=2", "fgsm"], "eps": 0.1, "max_images": 100}
pytestmark = pytest.mark.usefixtures("few_checks")


@pytest.fixture
def bucket(monkeypatch):
    served = server.ThreadedMotoServer(port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("ENDPOINT_URL", f"http://{host}:{port}")):
        monkeypatch.setenv(f"AWS_{name}", value)
    fsspec.register_implementation("s3", s3fs.S3FileSystem, clobber=True)
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir("bucket")
    yield "s3://bucket"
    served.stop()


def test_a_run_behind_a_server_goes_on_and_has_one_writer(bucket, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        brittle.audit("digits-lenet", "digits", f"{bucket}/run", watch=Watch(2), **ASKED)
    with at(f"{bucket}/run"), pytest.raises(RunError, match="one writer at a time"):
        brittle.audit("digits-lenet", "digits", f"{bucket}/run", **ASKED)
    made = brittle.audit("digits-lenet", "digits", f"{bucket}/run", **ASKED)
    assert rows(made) == rows(brittle.audit("digits-lenet", "digits", tmp_path / "run", **ASKED))
    assert brittle.write_report(f"{bucket}/run") == f"{bucket}/run/report.html"
    assert not [name for name in fsspec.filesystem("s3").find("bucket") if "/." in name]
