"""The page as text: what it says for every outcome, and that it says what the metrics say."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up import plan, searching

from brittle import metrics
from brittle.errors import RunError
from brittle.metrics.formats import THIN
from brittle.report import figures, sections, trust, write_report
from brittle.report.gallery import amplification, png, walls
from brittle.report.page import render
from brittle.report.run_data import load_run_data
from brittle.report.svg import drawing
from brittle.report.verdict import verdict
from brittle.runs.manifest import BadImageInfo
from brittle.runs.store import RunFolder


class Reader(HTMLParser):
    """The visible text, the elements and the scripts of a page."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.attributes, self.inside, self.scripts = [], [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend(attrs)
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self.inside:
            self.scripts.append(data)
        elif "style" not in self.inside:
            self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text).replace(THIN, " "))


def evidence_of(run):
    return load_run_data(RunFolder.open(run))


def said(run):
    found = verdict(evidence_of(run))
    return (found.headline + " " + " ".join(found.sentences)).replace(THIN, " ")


def test_the_page_says_what_the_metrics_say(make_run):
    run = make_run(radius=0.05, attacks=plan(0.05))
    words = Reader(write_report(run).read_text()).words
    folder = RunFolder.open(run)
    robust = metrics.robust_accuracy(list(folder.tables().values()), "inf", 0.05)
    clean = metrics.clean_accuracy(folder.table("pgd"))
    assert 0.2 < robust.value < 0.8
    assert (
        f"Robust accuracy is {robust.value:.1%} (95% interval {100 * robust.low:.1f}–{100 * robust.high:.1f}%".replace(
            "%", " %"
        )
        in words
    )
    assert f"Clean accuracy{100 * clean.value:.1f} %" in words
    median = metrics.median_size(folder.table("deepfool"))
    assert f"Half of the images it got right fall to a change of {255 * median.value:.3g}/255 or less" in words
    for key, table in folder.tables().items():
        rate = metrics.success_rate(table, "inf", 0.05)
        assert f"{100 * rate.value:.1f} %{100 * rate.low:.1f}–{100 * rate.high:.1f} %" in words, key
    assert "brittle audit digits-lenet --data digits --eps 4/255 --name 'it'\"'\"'s one'" in words
    for needed in ("ab12" * 16, "cd34" * 16, "x86_64, 2 cores", "2.13.0", "restarts", "overshoot", "Seed0"):
        assert needed in words


def test_where_the_report_goes(make_run, tmp_path):
    run = make_run(images=4)
    assert write_report(run) == run / "report.html"
    assert write_report(run, tmp_path / "new" / "page.html") == tmp_path / "new" / "page.html"
    assert write_report(run, tmp_path) == tmp_path / "report.html"
    with pytest.raises(RunError, match=r"page.html cannot be written"):
        write_report(run, run / "manifest.json" / "page.html")
    with pytest.raises(RunError, match="is no run folder"):
        write_report(tmp_path)


def test_one_file_that_loads_nothing(make_run):
    reader = Reader(write_report(make_run(images=8)).read_text())
    outside = [
        (name, value)
        for name, value in reader.attributes
        if name in ("src", "href") and not value.startswith(("data:", "#"))
    ]
    assert outside == []
    assert any(name == "content" and value.startswith("default-src 'none'") for name, value in reader.attributes)


EVIL = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "<b>bold</b>&amp;", "{{ 7*7 }}", '"><i>']


def test_names_stay_text(make_run):
    run = make_run(
        classes=EVIL,
        network="</title><script>alert(3)</script>",
        data="<s>data</s>",
        images=40,
        bad=[BadImageInfo(index=2, name="<u>bad</u>", reason="<em>why</em>")],
    )
    reader = Reader(write_report(run).read_text())
    assert not {"s", "u", "em", "script>"} & set(reader.tags)
    assert reader.tags.count("b") == 3 + 2 * reader.tags.count("article"), "only those of the template"
    assert reader.tags.count("script") == 1
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    for text in (*EVIL, "<s>data</s>", "<u>bad</u>", "<em>why</em>"):
        assert text in reader.words
    assert reader.words.count(EVIL[0][:13] + "…") == 2, "on both sides of the matrix"


@pytest.mark.parametrize(
    ("choices", "headline", "sentence"),
    [
        (
            {"radius": 4 / 255, "attacks": plan(4 / 255), "typical": 0.001},
            "Every image it got right falls.",
            "A change of at most 4/255 per pixel value, which is hardly visible, breaks",
        ),
        (
            {"radius": 8 / 255, "attacks": plan(8 / 255), "typical": 0.001},
            "Every image",
            "which is hardly visible, breaks",
        ),
        (
            {"typical": 50.0},
            "No image fell.",
            "the 4 attacks tried broke none of the 186 images that the network got right",
        ),
        ({"clean": 0.0}, "There was nothing to break.", "got none of the 200 images right"),
        ({"never": 0.7}, "Some images it got right fall.", "found a change for less than half of the images"),
        ({"never": 0.95}, "Few images fall.", "Robust accuracy is"),
        ({"never": 0.3}, "Most images it got right fall.", "Robust accuracy is"),
        ({"never": 0.04}, "Nearly every image it got right falls.", "Robust accuracy is"),
        ({"images": 20}, "Every image", "Only 20 images: the interval is wide"),
        ({"images": 1, "clean": 1.1}, "The one image it got right falls.", "Only 1 image:"),
        ({"clean": 0.1}, "Every image", "no better than guessing among 10 classes"),
        ({"clean": 0.4}, "Every image", "it is right on only"),
        (
            {"radius": None, "p": "2", "attacks": [searching("deepfool", "2")], "typical": 1.5},
            "Half of the images fall to a change of",
            "A change of whatever size it takes (measured in L2) breaks 186 of the 186",
        ),
        (
            {"p": "2", "radius": 3.0, "attacks": plan(3.0, "2"), "typical": 1.0},
            "",
            "A change of length at most 3.00 (L2) breaks",
        ),
        (
            {"p": "1", "radius": 3.0, "attacks": plan(3.0, "1"), "typical": 1.0},
            "",
            "adds up to at most 3.00 over all pixel values",
        ),
        (
            {"p": "0", "radius": 30.0, "attacks": plan(30.0, "0"), "typical": 10.0},
            "",
            "A change of at most 30 pixel values",
        ),
        (
            {"done": {"noise": 2, "fgsm": 1}, "block": 100},
            "Not finished: no result yet.",
            "This run is not finished: 100 of 200",
        ),
        ({"classes": [], "shape": (3, 40, 30)}, "Every image", "Robust accuracy is"),
        ({"attacks": plan()[2:3]}, "Every image", "Robust accuracy is"),
    ],
)
def test_a_verdict_for_every_outcome(make_run, choices, headline, sentence):
    run = make_run(pictures=0, **choices)
    text = said(run)
    assert text.startswith(headline)
    assert sentence in text
    words = Reader(write_report(run).read_text()).words
    assert sentence in words
    assert "nan" not in words.lower().replace("finance", "")
    assert "inf " not in words.replace("radius inf", "").replace("radiusinf", "")


def test_reservations_are_made_where_they_are_due(make_run):
    run = make_run(radius=0.05, attacks=plan(0.05), never=0.2, bad=[BadImageInfo(index=1, name="x", reason="y")])
    notes = {remark.title: remark for remark in trust.remarks(evidence_of(run))}
    assert notes["Images left out"].caution
    assert "L2, L1, L0" in notes["Only what was tried"].text


@pytest.mark.parametrize(
    ("levels", "title"),
    [(256, "On the 8-bit grid"), (16, "On the grid of 16 levels"), (None, "")],
)
def test_a_lattice_is_reported_with_its_cost(make_run, levels, title):
    run = make_run(quantization=levels)
    notes = {remark.title: remark for remark in trust.remarks(evidence_of(run))}
    assert [name for name in notes if "grid" in name] == [title] * bool(levels)
    words = Reader(write_report(run).read_text()).words
    assert (f"Quantization{levels} levels" if levels else "Quantizationnone") in words
    if levels:
        assert "+25.0 % for deepfool" in notes[title].text.replace(THIN, " ")


def test_an_unfinished_run_is_reported_for_the_images_it_has(make_run):
    evidence = evidence_of(make_run(done={"noise": 3, "fgsm": 1}, block=50))
    assert evidence.n == 50
    assert [info.key for info in evidence.waiting] == ["pgd", "deepfool"]
    found = verdict(evidence)
    assert found.unreliable
    assert found.sentences[1] == "Not begun: pgd:steps=40,restarts=5, deepfool."
    assert found.sentences[2] == "The checks of the evaluation have not run."
    page = render(evidence)
    assert 'title="the audit is not finished">✕ not reliable' in page
    assert "All that failed" not in page


def test_the_median_says_how_many_smallest_changes_survive_8_bits(make_run):
    evidence = evidence_of(make_run(pictures=0))
    table = evidence.attacks[3].table
    success, rounded = (table[name].to_numpy(zero_copy_only=False) for name in ("success", "rounded_success"))
    kept, found = int((success & rounded).sum()), int(success.sum())
    assert 0 < kept < found
    text = said(evidence.folder.path)
    assert f"; {kept} of these {found} smallest changes still fool it when saved in 8 bits." in text
    assert "Broken at 51/255 and still broken when saved in 8 bits" in [card.title for card in sections.cards(evidence)]


def test_a_radius_below_half_a_grey_level_is_remarked(make_run):
    text = "is less than half a grey level: no image saved in 8 bits can change so little."
    assert text in said(make_run(pictures=0, images=60, radius=0.001, attacks=plan(0.001)))


def test_a_radius_above_half_a_grey_level_is_not_remarked(make_run):
    assert "grey level" not in said(make_run(pictures=0, images=60, radius=0.01, attacks=plan(0.01)))


def test_a_radius_above_the_usual_one_is_not_called_hardly_visible(make_run):
    shape = {"shape": (3, 224, 224), "pictures": 0, "images": 60}
    assert "hardly visible" not in said(make_run(radius=6 / 255, attacks=plan(6 / 255), typical=0.01, **shape))


def test_a_run_without_rows_is_refused(make_run):
    with pytest.raises(RunError, match="no image that every attack has done"):
        write_report(make_run(done={}))


def test_pictures_of_a_wrong_length_are_refused(make_run, monkeypatch):
    monkeypatch.setattr("made_up.picture", lambda shape, number, label: np.zeros((1, 3, 3)))
    with pytest.raises(RunError, match=r"the original picture of image 'digits/\d+' has 36 bytes"):
        write_report(make_run(images=8))


def test_the_gallery_goes_from_easy_to_hard(make_run):
    evidence = evidence_of(make_run())
    galleries = {wall.attack.info.key: wall for wall in walls(evidence)}
    wall = galleries["deepfool"]
    sizes = [float(shot.size.removesuffix("/255")) for shot in (*wall.easiest, *reversed(wall.hardest))]
    found = np.sort(metrics.minimal_sizes(evidence.attacks[3].table)) * 255
    assert sizes == pytest.approx([*found[:3], *found[-3:]], rel=0.01)
    assert galleries["pgd"].caption == "All changes are of the same size"
    assert not galleries["pgd"].hardest
    assert all(shot.small and shot.vectors is None for shot in wall.easiest)


def test_deformations_are_measured_in_pixels_and_drawn(make_run):
    evidence = evidence_of(make_run(attacks=[searching("adef", "flow")], p="flow", radius=3.0, typical=1.2))
    (wall,) = walls(evidence)
    assert all(shot.vectors.startswith("data:image/png") for shot in (*wall.easiest, *wall.hardest))
    assert all(shot.size.endswith(f"{THIN}px") for shot in wall.easiest)
    assert f"A deformation that moves no pixel by more than 3{THIN}px breaks" in verdict(evidence).sentences[0]


def test_the_change_is_amplified_by_a_readable_factor():
    assert [amplification(size / 255) for size in (0.1, 1, 4, 8, 255)] == [1000, 100, 20, 10, 0.5]
    assert amplification(0.0) == 50_000
    for channels in (1, 2, 3, 4):
        assert png(np.full((channels, 4, 6), 0.5)).startswith("data:image/png;base64,")


def test_a_long_table_of_classes_starts_with_the_largest(make_run):
    table = sections.class_table(evidence_of(make_run(classes=[f"c{i}" for i in range(1000)], pictures=0)))
    counts = [row[1].value for row in table.rows]
    assert counts == sorted(counts, reverse=True)
    assert "of 1,000" in table.note
    assert "of 1" in table.rows[-1][2].text, "counts, not rates"
    assert table.rows[-1][2].note == ""


def test_confusion_becomes_a_list_when_there_are_many_classes(make_run):
    evidence = evidence_of(make_run(classes=[f"c{i}" for i in range(1000)], pictures=0))
    pairs, labels = sections.confusion(evidence)
    assert labels == []
    assert sum(pair.count for pair in pairs) == evidence.fallen.sum()


def test_figures_are_what_plotly_takes(make_run):
    import plotly.graph_objects as go

    evidence = evidence_of(make_run())
    pairs, labels = sections.confusion(evidence)
    drawn = [
        figures.security_figure(evidence),
        figures.size_figure(evidence),
        figures.confusion_figure(evidence, pairs, labels),
    ]
    style = write_report(evidence.folder.path).read_text().partition("<style>")[2].partition("</style>")[0]
    for figure in drawn:
        names = set(re.findall(r"var\(--([\w-]+)\)", drawing(figure, "one", "one")))
        assert {name: style.count(f"--{name}:") for name in names} == dict.fromkeys(names, 3), "light, dark, no script"
        go.Figure(json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(figure))))
    worst = next(trace for trace in drawn[0]["data"] if trace.get("name") == "Worst case")
    assert worst["y"][0] == pytest.approx(evidence.clean.value, rel=1e-5)
    assert min(worst["y"]) == pytest.approx(0, abs=1e-9)


def test_what_lies_beyond_the_figure_of_sizes_is_counted(make_run):
    evidence = evidence_of(make_run(block=100))
    beyond = figures.sizes_beyond(evidence)
    shown = sum(sum(trace["y"]) for trace in figures.size_figure(evidence)["data"])
    assert shown + beyond == sum(map(len, figures._found_sizes(evidence)))
    page = " ".join(render(evidence).split())
    assert beyond == 1
    assert "change found. 1 lies to the right of the figure; images for which" in page


def test_no_absolute_path_is_on_the_page(make_run):
    run = make_run(network="/home/me/nets/net.py:make", data="/home/me/pictures", images=20, pictures=0)
    folder, words = RunFolder.open(run), ["/home/me/nets/net.py:make", "--data", "/home/me/pictures", "--out=/tmp/run"]
    folder.manifest = folder.manifest.model_copy(update={"command": ["brittle", "audit", *words]})
    page = render(load_run_data(folder))
    assert "brittle audit net.py:make --data pictures --out=run" in page
    assert "How brittle is net.py:make?" in page
    assert not re.search(r"/(?:home|tmp)/", page)
