"""What others bring: a package with an attack, a threat and a defence, and files of the user's own."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import ClassVar

import pytest
import torch
from affine import affine
from typer.testing import CliRunner

import brittle
from brittle import registry
from brittle.cli import app
from brittle.defences import Defence
from brittle.errors import InputError, RunError, UnsupportedThreat
from brittle.evaluation.audit import audit
from brittle.evaluation.channel_spec import parse_channel
from brittle.evaluation.spec import parse_attack, parse_defence
from brittle.listing import listing
from brittle.models import open_network
from brittle.plugins import object_in
from brittle.plugins.names import OWN
from brittle.report import write_report
from brittle.specs import Question
from brittle.studies import run_study
from brittle.threats import parse_threat

PLUGIN = Path(__file__).parent / "plugin"
ATTACK = """
    from dataclasses import dataclass
    from brittle import PGD

    @dataclass(frozen=True)
    class Mine(PGD):
        steps: int = 2

    class Other:
        pass
"""


@dataclass(frozen=True)
class Anywhere(brittle.Attack):
    """Moves images a little, whatever the threat."""

    threats: ClassVar[tuple[str, ...]] = ("success",)

    def perturb(self, problem: brittle.Problem) -> None:
        problem.probe(problem.images + 0.05, graph=False)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGIN))


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "my file.py"
    path.write_text(dedent(ATTACK))
    return path


def announce(folder: Path, name: str, points: str, module: str = "") -> str:
    info = folder / f"{name}-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(points)
    (folder / f"{name}.py").write_text(module)
    return str(folder)


def rows_of(what: str) -> dict[str, tuple[str, str]]:
    return {row.name: (row.meaning, row.origin) for row in listing(what)}


def test_the_package_is_listed_with_its_origin(installed):
    assert rows_of("attacks")["grey"] == (
        "Moves every image to mid-grey, as far as the radius allows. [linf, half]",
        "brittle-example 1.0",
    )
    assert rows_of("threats")["half"] == ("Half of the largest change of a value.", "brittle-example 1.0")
    assert rows_of("defences")["coarse"][1] == "brittle-example 1.0"
    assert rows_of("channels")["darker"] == ("Takes a part of the light away.", "brittle-example 1.0")
    assert parse_channel("darker:part=0.25+blur").links[0].part == 0.25
    assert rows_of("attacks")["pgd"][1] == "brittle"
    assert "from brittle-example 1.0" in " ".join(CliRunner().invoke(app, ["list", "defences"]).output.split())


def test_without_the_package_its_names_are_unknown():
    with pytest.raises(InputError, match="there is no attack 'grey'"):
        parse_attack("grey")
    assert "grey" not in registry.ATTACKS


def test_the_package_is_audited_and_reported(installed, tmp_path):
    run = audit("digits-lenet", "digits", tmp_path / "run", attacks=["grey:steps=2", "fgsm"], eps=0.3, max_images=20)
    assert run.table("grey_steps=2").num_rows == 20
    assert list(run.manifest.code.yours) == ["brittle_example/__init__.py"]
    assert "grey:steps=2" in write_report(run.path).read_text()


def test_the_threat_and_the_defence_work_in_python(installed):
    network = brittle.Classifier(open_network("digits-lenet").module)
    defence = parse_defence("coarse:levels=2")
    assert isinstance(defence, Defence)
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    defended = defence.protect(network)
    torch.testing.assert_close(defended.logits(images), network.logits(images.round()))
    threat = parse_threat("half:0.1")
    result = brittle.run(parse_attack("grey").attack, network, images, threat=threat)
    assert float((result.adversarial - images).abs().max()) <= 0.2 + 1e-6
    assert "half" in repr(threat).lower()


def test_the_threat_is_audited_searched_and_reported(installed, tmp_path):
    attacks = ["grey:steps=2", "smallest(grey):steps=8"]
    run = audit("digits-lenet", "digits", tmp_path / "run", attacks=attacks, norm="half", eps=0.2, max_images=20)
    assert (run.manifest.threat.norm, run.manifest.threat.radius) == ("half", 0.2)
    assert {attack.norm for attack in run.manifest.attacks} == {"half"}
    fixed, smallest = (run.table(attack.key) for attack in run.manifest.attacks)
    assert min(fixed["size"].to_pylist()) >= 0
    hit = [
        size for size, success in zip(fixed["size"].to_pylist(), fixed["success"].to_pylist(), strict=True) if success
    ]
    assert hit
    assert max(hit) <= 0.2 + 1e-6
    found = [size for size, ok in zip(smallest["size"].to_pylist(), smallest["success"].to_pylist(), strict=True) if ok]
    assert len(found) >= len(hit)
    assert run.health() is not None
    assert [finding.check for finding in run.health().findings if finding.status == "fail"] == []
    assert "half" in write_report(run.path).read_text()


def test_a_threat_of_the_users_file_is_audited_and_part_of_the_identity(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text((PLUGIN / "brittle_example" / "__init__.py").read_text())
    given = {"attacks": [f"{path}:Grey:steps=2"], "norm": f"{path}:Half", "eps": 0.2, "max_images": 6}
    run = audit("digits-lenet", "digits", tmp_path / "run", **given)
    assert run.manifest.threat.norm == "half"
    assert "half" in write_report(run.path).read_text()
    path.write_text(path.read_text() + "\n")
    with pytest.raises(RunError, match=r"mine\.py"):
        audit("digits-lenet", "digits", tmp_path / "run", **given)
    with pytest.raises(InputError, match="none of the attacks that are taken by default knows 'half'; name some"):
        audit("digits-lenet", "digits", tmp_path / "none", **{**given, "attacks": []})
    assert not (tmp_path / "none").exists()


THREATS = """
    from dataclasses import dataclass
    from typing import ClassVar
    import brittle

    @dataclass(frozen=True)
    class Wide(brittle.Threat):
        name: ClassVar[str] = "wide"
        width: float = 1.0

        def size(self, clean, moved):
            return brittle.Lp("inf").size(clean, moved) / self.width

        def project(self, clean, moved):
            return brittle.Lp("inf", self.width * self.radius).project(clean, moved)

        def draw(self, clean, streams, ids, bounds):
            return brittle.Lp("inf", self.width * self.radius).draw(clean, streams, ids, bounds)

        def max_size(self, clean, bounds):
            return brittle.Lp("inf").max_size(clean, bounds) / self.width

    class Borrowed(Wide):
        name = "linf"

    class Norm(Wide):
        name = "l2-weighted"

    class Capital(Wide):
        name = "My_Threat"

    class Column(Wide):
        name = "success"

    class Needs(Wide):
        def __init__(self, radius, more):
            pass
"""


@pytest.fixture
def threats(tmp_path):
    path = tmp_path / "threats.py"
    path.write_text(dedent(THREATS))
    return path


def test_what_a_threat_is_made_with_is_part_of_the_identity(threats, tmp_path):
    (tmp_path / "mine.py").write_text(
        (PLUGIN / "brittle_example" / "__init__.py").read_text().replace('"half")', '"wide")')
    )
    wide = object_in(f"{threats}:Wide")
    assert isinstance(wide, type)
    given = {"attacks": [f"{tmp_path}/mine.py:Grey:steps=2"], "max_images": 4}
    run = audit("digits-lenet", "digits", tmp_path / "run", question=Question(wide(0.05)), **given)
    assert run.manifest.threat.settings == {}
    with pytest.raises(RunError, match="another run"):
        audit("digits-lenet", "digits", tmp_path / "run", question=Question(wide(0.05, width=3.0)), **given)
    other = audit("digits-lenet", "digits", tmp_path / "other", question=Question(wide(0.05, width=3.0)), **given)
    assert other.manifest.threat.settings == {"width": 3.0}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Borrowed", "called linf, as brittle's own"),
        ("Norm", "l2-weighted.*not as a norm begins"),
        ("Capital", "My_Threat.*small letters"),
        ("Needs", "cannot be made of a radius alone"),
    ],
)
def test_threats_that_cannot_be_recorded_are_refused_at_the_start(threats, name: str, reason: str):
    with pytest.raises(InputError, match=reason):
        parse_threat(f"{threats}:{name}")


def test_a_threat_called_like_a_column_spoils_none(threats):
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    column = parse_threat(f"{threats}:Column:0.1")
    attack = brittle.SmallestRadius(brittle.RandomNoise(1), steps=1)
    with pytest.raises(UnsupportedThreat):
        attack.check(column)
    result = brittle.run(Anywhere(), brittle.Classifier(open_network("digits-lenet").module), images, threat=column)
    assert result.table()["success"].to_pylist() == result.success.tolist()


def test_an_entry_point_that_fails_is_said_and_the_rest_works(tmp_path, monkeypatch):
    points = "[brittle.attacks]\nbad = broken_one:A\nwrong = broken_two:A\n"
    monkeypatch.syspath_prepend(announce(tmp_path / "a", "broken_one", points, "raise OSError('no licence')\n"))
    (tmp_path / "a" / "broken_two.py").write_text("class A: pass\n")
    assert "bad" not in list(registry.ATTACKS)
    assert parse_attack("pgd:steps=3").attack.steps == 3
    with pytest.raises(InputError, match=r"'bad' cannot be used: broken_one 2\.0 fails to import \(OSError: no lic"):
        parse_attack("bad")
    with pytest.raises(InputError, match=r"broken_two:A of broken_one 2\.0 is A, no attack; expected a subclass"):
        parse_attack("wrong")
    assert "OSError: no licence" in rows_of("attacks")["bad"][0]


def test_names_that_clash_are_refused_with_both_origins(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(announce(tmp_path / "a", "one", "[brittle.attacks]\ntwice = one:A\npgd = one:A\n"))
    monkeypatch.syspath_prepend(announce(tmp_path / "b", "two", "[brittle.attacks]\ntwice = two:A\n"))
    for name, both in (("twice", r"one 2\.0 and two 2\.0"), ("pgd", r"brittle and one 2\.0")):
        with pytest.raises(InputError, match=f"{name}' cannot be used: it is brought by {both}; uninstall one"):
            parse_attack(name)
    assert parse_attack("fgsm").attack == brittle.FGSM()


def test_an_attack_of_a_file_has_its_options(mine):
    spec = parse_attack(f" {mine}:Mine:steps=3, eps=0.2")
    assert (spec.attack.steps, spec.radius) == (3, 0.2)
    assert spec.attack == parse_attack(f"{mine}:Mine:steps=3").attack
    around = parse_attack(f"restarts({mine}:Mine:steps=3):count=2").attack
    assert around.attack == spec.attack
    result = brittle.run(spec.attack, affine(), torch.full((2, 1, 3, 4), 0.5), threat=brittle.Lp("inf", 0.1))
    assert len(result.size) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nobody", r"has no attack 'Nobody'; those it defines: Mine, Other"),
        ("Other", r"Other is Other, no attack; expected a subclass of brittle\.Attack"),
        ("Mine:speed=3", r"no field 'speed'"),
    ],
)
def test_what_is_no_attack_is_refused(mine, name, message):
    with pytest.raises(InputError, match=message):
        parse_attack(f"{mine}:{name}")


def test_a_file_that_fails_is_refused(tmp_path):
    (tmp_path / "bad.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(
        InputError, match=r"cannot be run \(SystemExit: 0, in .*bad.py, line 1, in <module>\); mend the file"
    ):
        parse_attack(f"{tmp_path / 'bad.py'}:Mine")
    with pytest.raises(InputError, match="there is no file"):
        parse_attack(f"{tmp_path / 'none.py'}:Mine")


def test_an_edited_attack_is_another_run(mine, tmp_path):
    def go():
        return audit("digits-lenet", "digits", tmp_path / "run", attacks=[f"{mine}:Mine"], eps=0.1, max_images=10)

    assert list(go().manifest.code.yours) == ["my file.py"]
    mine.write_text(mine.read_text().replace("= 2", "= 3 "))
    with pytest.raises(RunError, match=r"my file\.py"):
        go()


def test_a_source_of_a_file_is_opened_and_audited(tmp_path):
    lines = ["from brittle.data import Digits", "def few(rest, **options): return Digits(rest or 'test', **options)"]
    (tmp_path / "few.py").write_text("\n".join([*lines, "def none(rest, **options): pass"]))
    spec = f"{tmp_path / 'few.py'}:few"
    run = audit("digits-lenet", f"{spec}:train", tmp_path / "run", attacks=["fgsm"], eps=0.1, max_images=10)
    assert run.table("fgsm").num_rows == 10
    with pytest.raises(brittle.DataError, match=r"returned a NoneType; expected a brittle\.data\.Source"):
        brittle.data.open_source(f"{tmp_path / 'few.py'}:none")


def test_a_network_and_a_check_of_a_package_are_found(tmp_path, monkeypatch):
    points = "[brittle.networks]\nflat = third:build\n[brittle.checks]\nmoon = third:CHECK\n"
    module = (
        "from torch import nn\nfrom brittle.health.check import Check, Outcome\n"
        "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
        "CHECK = Check('moon', 'The moon', 'It is full.', 'Nobody', 'Wait.', lambda _: Outcome('warn', 'It is not.'))\n"
    )
    monkeypatch.syspath_prepend(announce(tmp_path / "a", "third", points, module))
    run = audit("flat", "digits", tmp_path / "run", attacks=["fgsm"], eps=0.1, max_images=10)
    assert "moon" in [finding.check for finding in run.health().findings]
    assert rows_of("checks")["moon"] == ("The moon", "third 2.0")
    assert rows_of("models")["flat"][1] == "third 2.0"


def test_a_study_of_a_file_is_run(tmp_path):
    (tmp_path / "own.py").write_text(dedent("""
        from brittle.studies import Cell, Column, Measured, Row, Study
        STUDY = Study("own", "My own", "Nobody, 2020",
                      lambda setting: [Cell("a", "b", lambda: Measured({"b": "seen"}), lambda: {})],
                      (Row("a"),), (Column("b", "B", "number", "own"),), lambda row, column: None)
    """))  # fmt: skip
    result = run_study(f"{tmp_path / 'own.py'}:STUDY", tmp_path / "studies")
    assert result.entry("a", "b").measured == "seen"


def test_what_brittle_brings_says_so():
    assert {registry.ATTACKS.origin(name) for name in ("pgd", "deepfool")} == {OWN}
