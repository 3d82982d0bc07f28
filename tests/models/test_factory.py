import sys
from textwrap import dedent

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittle.errors import ModelError
from brittle.models import open_network

FILE = """
    import torch
    from torch import nn
    from neighbour import WIDTH

    def build():
        module = nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, 3), nn.Dropout())
        module.input_shape = (1, 2, 2)
        module.classes = ["cat", "dog", "<emu>"]
        return module

    def bare(): return nn.Flatten()
    def number(): return 3
    def fails(): raise KeyError("no such layer")
    def crooked():
        module = nn.Flatten()
        module.input_shape = (28, 28)
        return module
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "net.py").write_text(dedent(FILE))
    yield tmp_path / "net.py"
    sys.modules.pop("neighbour", None)


def test_a_factory_is_run_in_its_folder_and_may_say_shape_and_classes(file):
    path, state = sys.path.copy(), torch.get_rng_state()
    network = open_network(f"{file}:build")
    assert (network.input_shape, network.classes, network.parameters) == ((1, 2, 2), ("cat", "dog", "<emu>"), 15)
    assert not network.module.training
    assert network.digest == open_network(f"{file}:build").digest
    assert sys.path == path
    assert torch.equal(torch.get_rng_state(), state)


def test_what_the_module_does_not_say_is_unknown(file):
    network = open_network(f"{file}:bare")
    assert (network.input_shape, network.classes) == (None, ())


def test_weights_replace_the_factorys(file, tmp_path):
    given = {"1.weight": torch.full((3, 4), 2.0), "1.bias": torch.zeros(3)}
    save_file(given, tmp_path / "w.safetensors")
    network = open_network(f"{file}:build", weights=tmp_path / "w.safetensors")
    assert torch.equal(network.module(torch.ones(1, 1, 2, 2)), torch.full((1, 3), 8.0))


def test_the_program_is_part_of_the_digest(file):
    before = open_network(f"{file}:bare").digest
    file.write_text(file.read_text() + "\n# another program\n")
    assert open_network(f"{file}:bare").digest != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "no function 'nothing'; those it defines: bare, build, crooked, fails, number"),
        ("number", "returned an int; it must return a torch.nn.Module"),
        ("fails", r"failed \(KeyError: 'no such layer', in .*, line \d+, in fails\)"),
        ("crooked", r"input_shape is \(28, 28\)"),
    ],
)
def test_bad_factories_are_refused(file, name, message):
    with pytest.raises(ModelError, match=message):
        open_network(f"{file}:{name}")


def test_bad_files_are_refused(file, tmp_path):
    with pytest.raises(ModelError, match="there is no file"):
        open_network(f"{tmp_path}/nowhere.py:build")
    (tmp_path / "broken.py").write_text("def build(:\n")
    with pytest.raises(ModelError, match=r"cannot be run \(SyntaxError"):
        open_network(f"{tmp_path}/broken.py:build")
    with pytest.raises(ModelError, match=":FACTORY"):
        open_network(str(file))


def test_a_custom_class_works(tmp_path):
    (tmp_path / "own.py").write_text("from torch import nn\nclass Net(nn.Flatten):\n    pass\n")
    assert isinstance(open_network(f"{tmp_path}/own.py:Net").module, nn.Flatten)


@pytest.mark.parametrize("wrapped", ["module", "nn.Sequential(nn.Dropout(), module)"])
def test_a_program_of_torch_export_has_no_modes_and_is_opened(tmp_path, wrapped):
    inner = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(inner, (torch.rand(2, 1, 2, 2),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "network.pt2")
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\nimport torch\nfrom torch import nn\ndef make():\n"
        f"    module = torch.export.load(Path(__file__).with_name('network.pt2')).module()\n    return {wrapped}\n"
    )
    network = open_network(f"{tmp_path}/own.py:make")
    assert not any(part.training for part in network.module.modules())
    images = torch.rand(5, 1, 2, 2)
    torch.testing.assert_close(network.module(images), inner(images))


SET = "from torch import nn\ndef make():\n    net = nn.Flatten()\n    net.{}\n    return net\n"
BARE = "from torch import nn\nclass Net(nn.Module):\n    def __init__(self): pass\nmake = Net\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import sys\nsys.exit(0)\ndef make(): pass\n",
            r"cannot be run \(SystemExit: 0, in .*, line 2, in <module>",
        ),
        (
            "def make(): raise SystemExit\n",
            r"failed \(SystemExit, in .*own.py, line 1, in make\); it is called",
        ),
        ("def make(one): pass\n", r"failed \(TypeError: make\(\) missing 1 required"),
        ("from torch import nn\ndef make(): return nn.Linear\n", "returned a type; it must return"),
        (BARE, "returned a module that cannot be"),
        (SET.format("classes = 5"), r"cannot be looked at \(TypeError"),
        (SET.format("classes = 'cat'"), "one text in place of a list of names"),
        (SET.format("input_shape = (True, 2, 2)"), "input_shape is"),
        (SET.format("input_shape = (3, 9999, 9999)"), "images of 3x9999x9999; expected .* at most 33,554,432 values"),
        (
            "from torch import nn\ndef make(): return nn.LazyLinear(3)\n",
            r"sizes yet \(weight, bias\); show it one batch",
        ),
    ],
    ids=range(10),
)
def test_factories_that_do_not_work(tmp_path, text, message):
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ModelError, match=message):
        open_network(f"{tmp_path}/own.py:make")
