"""Both studies of fine-tuning on a few digits: courses and rounds are made once, in the order of the papers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from brittle import Classifier, DeepFool, Lp, run
from brittle.metrics import Estimate
from brittle.metrics.estimate import without_interval
from brittle.studies import Setting, run_study
from brittle.studies.bench.drawing import Curves
from brittle.studies.deepfool import courses, fast_gradient_sign
from brittle.studies.deepfool import fine_tuning as deepfool_fine_tuning
from brittle.studies.deepfool.courses import FineTuned, Point
from brittle.studies.deepfool.fine_tuning import CLEAN, DEEPFOOL, SIGN, SLOWLY, THRICE, TUNINGS, TWICE, drawings, gain
from brittle.studies.shared.inference_form import InferenceForm, trainable
from brittle.studies.shared.photographs import LINF, SAMPLE, fooled
from brittle.studies.shared.subject import Benchmark, NetworkSource
from brittle.studies.uap import fine_tuning as universal_fine_tuning
from brittle.studies.uap import rounds as uap_rounds
from brittle.studies.uap.rounds import Rounds, Size, Tuned
from brittle.training import PlainTraining, UniversalPool, fit
from brittle.universal_attacks.ascent import UniversalAscent

LENET = deepfool_fine_tuning.FOUR[0]
QUICK = UniversalAscent(passes=2, batch=5, step=0.5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small network with batch normalisation as an exported graph, in a folder of networks."""
    pytest.importorskip("torch.export.pt2_archive", reason="torch before 2.8 exports in another format")
    module = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(4 * 30 * 30, 10),),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.normal_(part.weight, std=0.1)
    folder = tmp_path_factory.mktemp("exported")
    batch = torch.export.Dim("n", min=1)
    program = torch.export.export(module.eval(), (torch.rand(2, 3, 32, 32),), dynamic_shapes=({0: batch},))
    for name in ("cifar10_resnet32.pt2", "mobilenet_v1_0.25_128.pt2"):
        torch.export.save(program, folder / name)
    return folder


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(courses, "EPOCHS", 1)
    monkeypatch.setattr(fast_gradient_sign, "BISECTIONS", 1)
    monkeypatch.setattr(deepfool_fine_tuning, "IMAGES", {"small": 20, "paper": 20})


def tuned(setting, images=20):
    return FineTuned(Benchmark(LENET, setting), images)


@pytest.fixture
def setting(few_digits, models, tmp_path):
    return Setting(few_digits, models, "small", "cpu", 0, tmp_path)


def test_a_course_is_measured_before_and_after_each_epoch_and_kept(setting, short, monkeypatch):
    network = tuned(setting)
    monkeypatch.setattr(courses, "EPOCHS", 2)
    course = network.course(DEEPFOOL)
    assert len(course) == 3
    assert course[0] == network.before()
    assert all(isinstance(point.deepfool, Estimate) and point.error.n == 12 for point in course)
    module, (images, labels) = network.start(), network.training
    fit(module, network.changed, labels, settings=network.settings(slower=False))
    shown = next(network.subject.source.blocks(12)).images
    found = run(DeepFool(), Classifier(module), shown, threat=Lp(2))
    inside = float((found.l2 / shown.flatten(1).norm(dim=1)).mean())
    assert course[2].deepfool.value <= inside * 1.01  # without a box it is no larger
    assert not torch.equal(network.changed, images)
    monkeypatch.setattr(courses, "fit", None)  # nothing is trained any more
    assert tuned(setting).course(DEEPFOOL) == course


def test_a_damaged_course_is_made_again(setting, short):
    before = tuned(setting).before()
    (path,) = (setting.folder / "courses").glob("*.json")
    content = json.loads(path.read_text())
    content["content"][0]["error"]["value"] = 0.0
    path.write_text(json.dumps(content))
    assert tuned(setting).before() == before
    path.write_text("{")
    assert tuned(setting).before() == before


def test_what_a_network_is_trained_on(setting, short):
    network = tuned(setting)
    images = network.training[0]
    assert torch.equal(network.images_of(CLEAN), images)
    assert torch.equal(network.images_of(DEEPFOOL), network.changed)
    once = network.changed - images
    wanted = (images + 2 * once).clamp(0, 1)
    torch.testing.assert_close(network.images_of(TWICE), wanted)
    longest = (network.images_of(SIGN) - images).abs().max()
    assert float(longest) == pytest.approx(network.eps.eps, rel=1e-5)
    right = network.start()(images).argmax(1) == network.training[1]
    assert torch.equal(network.images_of(SIGN)[~right], images[~right])
    assert network.settings(slower=True).rate == pytest.approx(network.settings(slower=False).rate / 5)


def test_the_table_of_deepfool_has_every_network_that_is_at_hand(short, few_digits, models, tmp_path, monkeypatch):
    monkeypatch.setattr(
        deepfool_fine_tuning, "FOUR", tuple(replace(one, images=6) for one in (LENET, deepfool_fine_tuning.FOUR[2]))
    )
    result = run_study("deepfool-fine-tuning", tmp_path, data=few_digits, models=models)
    assert result.missing == 0
    for tuning in TUNINGS:
        for sheet in ("error", "rho", "gain"):
            assert result.entry(LENET.row, f"{sheet}.{tuning.key}").measured is not None
    entry = result.entry(LENET.row, "gain.deepfool")
    before, after = (result.entry(LENET.row, f"rho.{key}").measured.value for key in ("before", "deepfool"))
    assert entry.measured.value == pytest.approx(after / before - 1)
    assert entry.published == "about 50 %"
    assert [result.entry(LENET.row, f"error.{key}").published for key in ("before", "deepfool", "sign", "clean")] == [
        *(1.0, 0.8, 4.4, 1.0)
    ]
    assert [result.entry("NIN (CIFAR-10)", f"error.{key}").published for key in ("deepfool", "sign")] == [11.2, 21.2]
    (nin,) = (row for row in result.rows if row.key == "NIN (CIFAR-10)")
    assert "is not done at this scale" in " ".join(nin.notes)
    assert [type(figure) for figure in result.figures] == [Curves] * 3
    x, y = result.figures[0].lines["DeepFool"]
    assert list(x) == [0, 1]
    assert list(y) == [before, after]
    assert run_study("deepfool-fine-tuning", tmp_path, data=few_digits, models=models).computed == 0


def test_gains_and_lines_where_there_is_no_number():
    two, three = without_interval(2.0, 9), without_interval(3.0, 9)
    assert gain(two, three).value == 0.5
    assert gain("90 % never reached", three) == "90 % never reached"
    assert gain(two, "never") == "never"
    point = Point(without_interval(0.1, 9), two, "90 % never reached")
    after = Point(without_interval(0.1, 9), three, three)
    course = {tuning: (point, after) for tuning in (*TUNINGS, SLOWLY)}
    *_, judged = drawings("LeNet", course)
    assert judged.lines["DeepFool"] == ([0, 1], [1.0, 1.5])
    assert judged.lines["fast gradient sign"] == ([1], [3.0])
    assert THRICE.alpha == 3


def test_an_exported_graph_is_trained_in_its_inference_form(exported):
    module = trainable(Benchmark(NetworkSource("r", SAMPLE, ("cifar10_resnet32.pt2",)), _of(exported)).network.module)
    assert isinstance(module, InferenceForm)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    images, labels = torch.rand(30, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 10
    history = fit(module, images, labels, settings=PlainTraining(epochs=3, batch=10, rate=0.01))
    assert history.epochs[-1].loss < history.epochs[0].loss
    moved = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.rpartition(".")[2] for name in moved} == {"weight", "bias"}
    assert len(moved) == 6  # of the convolution, of the normalisation, and of the linear layer
    assert trainable(nn.Dropout()).training is False


def _of(models, folder=Path(), data=None, **options):
    return Setting(data, models, "small", "cpu", 0, folder, **options)


SMALL = Size(20, 12, (6, QUICK), (8, QUICK))
COLOURED = NetworkSource(
    "coloured digits", "cifar10/test.parquet", ("cifar10_resnet32.pt2",), "", "cifar10/train.parquet"
)
SETTINGS = PlainTraining(epochs=2, batch=5, rate=0.01, schedule="constant")


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(uap_rounds, "POOL", 2)
    networks = (
        Tuned(COLOURED, SETTINGS, {"small": SMALL}),
        Tuned(
            replace(COLOURED, row="halves", training=""),
            SETTINGS,
            {"small": replace(SMALL, trained=None)},
            own_answers=True,
        ),
    )
    monkeypatch.setattr(universal_fine_tuning, "NETWORKS", networks[1:])
    study = universal_fine_tuning.UNIVERSAL_FINE_TUNING
    return networks, replace(study, rows=(replace(study.rows[0], key="halves"), study.rows[-1]), orders=())


def test_each_round_trains_the_network_of_the_round_before_on_a_pool_made_for_it(few, few_digits, exported, tmp_path):
    rounds = Rounds(few[0][0], _of(exported, tmp_path, few_digits))
    pools = [rounds.pool(number) for number in range(2)]
    assert pools[0].shape == (2, 3, 32, 32)
    assert float(pools[0].abs().max()) <= LINF.radius + 1e-6
    assert not torch.equal(*pools[0])
    assert not torch.equal(*pools)
    module, (images, labels) = trainable(Benchmark(COLOURED, rounds.setting).network.module), rounds._read[0]
    for number in (1, 2):
        fit(module, images, labels, settings=SETTINGS, adversarial=UniversalPool(pools[number - 1], 0.5))
        made = rounds.module(number).state_dict()
        assert all(torch.equal(made[name], tensor) for name, tensor in module.state_dict().items())
    judges = [rounds.judge(number) for number in range(2)]
    assert not any(torch.equal(judges[0], one) for one in pools[0])
    again = Rounds(few[0][0], replace(rounds.setting, seed=1))
    assert not torch.equal(again.judge(0), judges[0])


def test_the_table_of_universal_perturbations(few, few_digits, exported, tmp_path):
    networks, study = few
    result = run_study(study, tmp_path, data=few_digits, models=exported)
    assert result.missing == 0
    rates = [result.entry("halves", column.key).measured for column in result.columns]
    assert all(isinstance(rate, Estimate) for rate in rates)
    assert {rate.n for rate in rates} == {6}
    rounds = Rounds(networks[1], _of(exported, tmp_path / study.name, few_digits, trained=tmp_path / "networks"))
    assert result.entry("halves", "after1").measured == fooled(rounds.tested(1), rounds.judge(1))
    assert result.entry("halves", "old1").measured == fooled(rounds.tested(1), rounds.judge(0))
    module, (images, labels) = trainable(Benchmark(COLOURED, rounds.setting).network.module), rounds._read[0]
    pool = UniversalPool(rounds.pool(0), 0.5)
    fit(module, images, labels, settings=SETTINGS, adversarial=pool, soft=module(images).softmax(1).detach())
    made = rounds.module(1).state_dict()
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(made[name], tensor)
    given, held_out = (images.flatten(1).tolist() for images, _ in rounds._read)
    assert not any(image in held_out for image in given)
    published = [result.entry("VGG-F", key).published for key in ("before", "after1", "after2")]
    assert published == [93.7, 76.2, 80.0]
    assert [type(figure) for figure in result.figures] == [Curves]
    assert run_study(study, tmp_path, data=few_digits, models=exported).computed == 0


def test_a_killed_study_of_rounds_goes_on_where_it_stopped(few, few_digits, exported, tmp_path):
    class Killed(Exception):
        pass

    def stop(line, fraction=None):
        if "round 2, epoch 1" in line:
            raise Killed

    told = []
    with pytest.raises(Killed):
        Rounds(few[0][0], _of(exported, tmp_path, few_digits, tell=stop)).module(2)
    later = Rounds(few[0][0], _of(exported, tmp_path, few_digits, tell=lambda line, fraction=None: told.append(line)))
    whole = Rounds(few[0][0], _of(exported, tmp_path / "whole", few_digits)).module(2).state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in later.module(2).state_dict().items())
    assert [line.split(": ")[1].rpartition(", ")[0].split(" of ")[0] for line in told] == ["round 2, epoch 2"]
    assert not list((tmp_path / "networks").glob("*.checkpoint"))


def test_what_is_missing_is_said(few_digits, tmp_path):
    result = run_study("universal-fine-tuning", tmp_path, data=few_digits)
    said = " ".join(note for row in result.rows for note in row.notes)
    assert "needs cifar10_resnet32.pt2: give the folder that holds it with --models" in said
    assert "needs mobilenet_v1_0.25_128.pt2" in said
    assert result.entry("VGG-F", "after1").published == 76.2
