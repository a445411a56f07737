from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive import report
from zooactive.evaluation import evaluate
from zooactive.foundation.errors import CatalogueError, OutputError
from zooactive.posterior import Posterior
from zooactive.report import page
from zooactive.report.metrics import _people as people
from zooactive.report.sky_links import place_of
from zooactive.tree import DecisionTree, Question

NASTY = "<b>&\"x'</b>"
IDS = [NASTY, *(f"5877325783124542{i:02}" for i in range(40))]


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of each kind of element."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(self.source)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "br", "hr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]


@pytest.fixture(scope="module")
def pixels() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {galaxy_id: rng.integers(0, 255, (200, 200, 3), dtype=np.uint8) for galaxy_id in IDS[:30]}


@pytest.fixture
def posterior(tree) -> Posterior:
    return Posterior(np.random.default_rng(1).uniform(1, 60, (4, len(IDS), 10)), IDS, tree)


@pytest.fixture
def selection() -> pd.DataFrame:
    arm = ["random" if i % 10 == 3 else "acquired" for i in range(len(IDS))]
    columns = {"id": IDS, "score": np.linspace(2, 0.5, len(IDS)), "rank": range(1, len(IDS) + 1), "arm": arm}
    return pd.DataFrame(columns | {"inclusion_probability": 0.0123})


@pytest.fixture
def task() -> pd.DataFrame:
    probability = np.linspace(0, 1, len(IDS))
    return pd.DataFrame({"id": IDS, "ring_yes": probability, "truth": (probability > 0.4).astype(float)})


@pytest.fixture(scope="module")
def written() -> list[Page]:
    """The page below, once a test has had it written."""
    return []


@pytest.fixture
def whole_page(written, tmp_path, posterior, draw_votes, selection, task, pixels) -> Page:
    if written:
        return written[0]
    votes = draw_votes(len(IDS))
    questions = pd.DataFrame(
        {
            "question": ["smooth-or-featured", "bar"],
            "galaxies": [1234, 0],
            "accuracy": [0.9, np.nan],
            "baseline": [0.5, np.nan],
            "mean_deviation": [0.0001, np.nan],
        }
    )
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0], "val_loss": [3.0, 2.5]})
    path = report.write_report(
        tmp_path / "deep" / "report.html",
        title=f"Round {NASTY}",
        lead="Sixty galaxies & what they would tell.",
        facts=[("Survey", NASTY)],
        findings=[
            report.acquired_gallery(selection, pixels),
            report.galaxy_finding(posterior, NASTY, pixels, votes[0]),
            report.fractions_finding(posterior, votes),
            report.questions_finding(questions),
            report.training_finding(history),
            report.task_finding("rings", {"accuracy": 0.8, "auc": 0.9, "galaxies": 41.0}, task, pixels, answer="ring_yes"),
        ],
        how={"seed": 0, "options": {"note": NASTY, "deeper": {"n": 60}}},
    )
    written.append(Page(path))
    return written[0]


def test_every_picture_is_inside_the_page_and_says_what_it_shows(whole_page):
    pictures = whole_page.all("img")
    assert len(pictures) > 30
    for picture in pictures:
        source, alt = picture["src"], picture["alt"]
        assert source is not None
        kind, encoded = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", source).groups()
        image = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
        image.load()
        assert image.format == kind.upper()
        assert alt is not None
        assert alt.strip()


def test_the_page_loads_nothing_from_elsewhere(whole_page):
    assert not re.search(r"https?://", whole_page.source)
    assert not re.search(r"url\(|@import|<link|srcset", whole_page.source)
    for _, attributes in whole_page.elements:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:", "#"))


def test_the_pages_one_script_is_the_only_one_that_may_run(whole_page):
    (script,) = re.findall(r"<script>(.*?)</script>", whole_page.source, re.DOTALL)
    assert whole_page.all("script") == [{}]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policies = [m["content"] for m in whole_page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"]
    assert not [name for _, attributes in whole_page.elements for name in attributes if name.startswith("on")]


def test_ids_with_signs_of_html_are_escaped(whole_page):
    assert NASTY not in whole_page.source
    assert "<b>" not in whole_page.source
    assert "&lt;b&gt;&amp;" in whole_page.source
    assert f"Galaxy {NASTY} in full" in whole_page.text("h2")
    assert NASTY in whole_page.text("span")
    assert f"Cutout of galaxy {NASTY}" in [picture["alt"] for picture in whole_page.all("img")]
    assert whole_page.text("dd").count(NASTY) == 2


def test_the_page_can_be_heard_and_walked_by_keyboard(whole_page):
    assert whole_page.all("html")[0]["lang"] == "en-GB"
    assert len(whole_page.all("h1")) == len(whole_page.all("main")) == 1
    names = {attributes["id"] for _, attributes in whole_page.elements if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in whole_page.all("a")} <= names
    assert {s["aria-labelledby"] for s in whole_page.all("section") if "aria-labelledby" in s} <= names
    assert len(whole_page.all("caption")) == len(whole_page.all("table")) == 2
    assert all(heading["scope"] in ("col", "row") for heading in whole_page.all("th"))
    scrolling = [a for _, a in whole_page.elements if "scroll" in (a.get("class") or "").split()]
    assert scrolling
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolling)
    assert "prefers-color-scheme: dark" in whole_page.source
    assert "@media print" in whole_page.source
    assert 'name="viewport"' in whole_page.source


def test_numbers_in_tables_are_written_for_readers(whole_page):
    cells = whole_page.text("td")
    assert "1,234" in cells
    assert "0.900" in cells
    assert "0.0001" in cells
    assert "nan" not in " ".join(text for _, text in whole_page.texts if _ not in ("script", "style")).lower()


def test_what_is_not_known_is_a_dash_in_a_table():
    assert page._column([float("nan"), None, 0.5]) == [("–", True), ("–", False), ("0.500", True)]


def test_next_to_nothing_is_written_as_nothing():
    assert [text for text, _ in page._column([5e-301, -1e-9, 2e-5, 0.5])] == ["0.000", "0.000", "2e-05", "0.500"]


def test_the_same_findings_give_the_same_page(tmp_path, selection, pixels):
    pages = [
        report.write_report(
            tmp_path / name, title="t", lead="l", facts=[], findings=[report.acquired_gallery(selection, pixels)], how={}
        ).read_bytes()
        for name in ("a.html", "b.html")
    ]
    assert pages[0] == pages[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        report.write_report(tmp_path / "file" / "report.html", title="t", lead="l", facts=[], findings=[], how={})
    assert (tmp_path / "file").read_text() == "here"


def test_a_picture_without_words_is_refused():
    with pytest.raises(OutputError, match="'mute' has a picture without alternative text"):
        report.Finding("mute", picture=b"\x89PNG")
    with pytest.raises(OutputError, match="'mute'"):
        report.Finding("mute", galleries=(report.Gallery("", (report.Tile("a", alt=" ", picture=b"\x89PNG"),)),))


def test_the_gallery_keeps_the_random_arm_apart(selection, pixels):
    finding = report.acquired_gallery(selection, pixels, limit=8)
    acquired, random = finding.galleries
    assert acquired.heading == "Chosen by score: the first 6 of 37 galaxies"
    assert [tile.caption for tile in acquired.tiles] == [IDS[i] for i in (0, 1, 2, 4, 5, 6)]
    assert random.heading == "Drawn at random: the first 2 of 4 galaxies"
    assert [tile.caption for tile in random.tiles] == [IDS[3], IDS[13]]
    assert acquired.tiles[0].lines == ("score 2.000, rank 1, chance of being chosen 0.012",)
    assert random.tiles[0].lines[0] == "drawn at random"
    assert "37 galaxies were chosen" in finding.text
    assert "4 more were drawn at random" in finding.text


def test_galaxies_stand_in_the_order_of_their_score_whatever_their_rank(selection, pixels):
    turned = selection.assign(score=selection["score"].to_numpy()[::-1], arm="acquired")
    (gallery,) = report.acquired_gallery(turned, pixels, limit=5).galleries
    assert [tile.caption for tile in gallery.tiles] == IDS[:-6:-1]
    unscored = report.acquired_gallery(selection.assign(score=float("nan"), arm="acquired"), pixels, limit=5)
    assert [tile.caption for tile in unscored.galleries[0].tiles] == IDS[:5]
    assert unscored.text.startswith("41 galaxies were chosen at random.")


def test_a_picture_is_as_sharp_as_its_image_up_to_300_pixels(selection):
    for side, shown in ((240, 240), (500, 300)):
        pixels = {IDS[1]: np.full((side, side, 1), 90, dtype=np.uint8)}
        tile = report.acquired_gallery(selection.iloc[1:2], pixels).galleries[0].tiles[0]
        assert Image.open(io.BytesIO(tile.picture)).size == (shown, shown)


def test_below_a_galaxy_stands_what_the_model_expects_of_it_with_its_spread(tree, selection, pixels):
    # One draw: a Beta's variance is m (1 - m) / (a0 + 1), here 0.75 x 0.25 / 81.
    alpha = np.array([[[60.0, 15, 5, 1, 1, 1, 1, 1, 20, 20]]])
    told = report.expectations(Posterior(alpha, [IDS[1]], tree))
    first, merging = told[IDS[1]]
    assert first.told() == f"smooth 0.75 ± {np.sqrt(0.75 * 0.25 / 81):.2f}" == "smooth 0.75 ± 0.05"
    assert (merging.question, merging.fraction) == ("merging", 0.5)  # edge-on and bar are reached by fewer than half
    chosen = selection.iloc[1:2].assign(question="merging", question_share=0.408, clicks=52.0)
    tile = report.acquired_gallery(chosen, pixels, tree=tree, expected=told).galleries[0].tiles[0]
    assert tile.lines[:3] == (
        "smooth 0.75 ± 0.05", "merging: yes 0.50 ± 0.08", "chosen for merging (41% of what its votes tell)",
    )  # fmt: skip
    assert [name for name, _ in tile.numbers] == ["score", "expected smooth", "uncertainty (±)", "clicks to expect"]
    assert dict(tile.numbers)["expected smooth"] == pytest.approx(0.75)


def test_a_label_has_a_probability_and_no_spread():
    labels = DecisionTree("ring", [Question("ring", ["yes", "no"])], votes="class")
    told = report.expectations(Posterior([[[9.0, 1.0]]], ["a"], labels))
    assert told["a"][0].told() == "yes 0.90"
    finding = report.galaxy_finding(Posterior([[[9.0, 1.0]]], ["a"], labels), "a", {}, labels=True)
    assert finding.picture is None
    assert finding.table["probability"].tolist() == pytest.approx([0.9, 0.1])
    assert "volunteer" not in finding.text


def test_questions_have_one_name_without_the_surveys_suffix(selection, pixels):
    tree = DecisionTree("t", [Question("bar-dr5", ["yes", "no"])], suffix="-dr5")
    (tile,) = report.acquired_gallery(selection.iloc[:1].assign(question="bar-dr5"), pixels, tree=tree).galleries[0].tiles
    assert tile.topic == "bar"
    assert not any("dr5" in line for line in tile.lines)
    rng = np.random.default_rng(0)
    posterior = Posterior(rng.uniform(1, 9, (2, 30, 2)), [str(i) for i in range(30)], tree)
    votes = rng.integers(5, 20, (30, 2)).astype(float)
    findings = report.evaluation_findings(evaluate(posterior, votes, seen=votes, resamples=5), posterior, votes)
    said = [
        finding.text + finding.alt + ("" if finding.table is None else finding.table.to_string()) for finding in findings
    ]
    assert any("bar" in text for text in said)
    assert not any("dr5" in text for text in said)


@pytest.mark.parametrize(
    ("side", "text", "share"), [(60, "20 arcsec", 1 / 3), (7.5, "2 arcsec", 2 / 7.5), (400, "2 arcmin", 0.3)]
)
def test_a_scale_bar_has_a_round_length_of_at_most_two_fifths_of_the_cutout(side, text, share, selection, pixels):
    place = place_of(pd.Series({"ra": 150.1, "dec": -2.2, "arcsec": side}))
    tile = report.acquired_gallery(selection.iloc[1:2], pixels, places={IDS[1]: place}).galleries[0].tiles[0]
    assert (tile.bar.text, tile.bar.share) == (text, pytest.approx(share))
    assert tile.alt.endswith(f"the bar is {text} long")
    assert "RA 150.10000°, Dec -2.20000°" in tile.lines


def test_without_a_known_field_of_view_there_is_no_scale_bar(selection, pixels):
    for side in ({}, {"arcsec": None}, {"arcsec": "wide"}, {"arcsec": -3}):
        place = place_of(pd.Series({"ra": 150.1, "dec": -2.2} | side))
        assert report.acquired_gallery(selection.iloc[1:2], pixels, places={IDS[1]: place}).galleries[0].tiles[0].bar is None


def test_a_choice_for_labels_speaks_of_no_volunteers(selection, pixels):
    finding = report.acquired_gallery(selection, pixels, labels=True)
    assert finding.title == "The galaxies to label next"
    assert "volunteer" not in finding.text + " ".join(
        line for part in finding.galleries for t in part.tiles for line in t.lines
    )
    assert "labels on them" in finding.text


def test_galaxies_with_coordinates_can_be_looked_up(selection, pixels, tmp_path):
    place = place_of(pd.Series({"RAJ2000": "10:00:24", "DEJ2000": "+02:12:00", "mag": 17.0}))
    assert (place.ra, place.dec) == pytest.approx((150.1, 2.2))
    assert list(place.links) == ["Legacy Survey", "SDSS", "Aladin", "ESASky"]
    galaxy = str(selection["id"].iloc[0])
    finding = report.acquired_gallery(selection, pixels, places={galaxy: place})
    report.write_report(tmp_path / "r.html", title="t", lead="l", facts=[], findings=[finding], how={})
    source = (tmp_path / "r.html").read_text()
    found = re.findall(r'<a href="(https://[^"]+)" target="_blank" rel="noreferrer">([^<]+)</a>', source)
    assert [(name, address.replace("&amp;", "&")) for address, name in found] == list(place.links.items())
    assert all("150.1" in address and "2.2" in address for address, _ in found)


@pytest.mark.parametrize("row", [{"ra": 10.0}, {"ra": "north", "dec": 1}, {"ra": 1.0, "dec": 100.0}, {"ra": None, "dec": 1}])
def test_without_a_place_there_is_nothing_to_look_up(row):
    assert place_of(pd.Series(row)) is None


def test_a_galaxy_without_a_cutout_is_named_all_the_same(selection, pixels, tmp_path):
    finding = report.acquired_gallery(selection.tail(3), pixels)
    assert all(tile.picture is None for gallery in finding.galleries for tile in gallery.tiles)
    page = Page(report.write_report(tmp_path / "r.html", title="t", lead="l", facts=[], findings=[finding], how={}))
    assert page.text("div").count("no image") == 3
    assert set(IDS[-3:]) <= set(page.text("span"))


def test_a_selection_without_scores_is_refused(selection, pixels):
    with pytest.raises(CatalogueError, match="the selection has no column 'score'"):
        report.acquired_gallery(selection.drop(columns="score"), pixels)


def test_a_galaxys_table_has_the_questions_that_most_volunteers_reach(tree, pixels):
    alpha = np.array([[[60.0, 2, 1, 10, 10, 8, 20, 30, 5, 40]]])
    finding = report.galaxy_finding(Posterior(alpha, ["g"], tree), "g", pixels, [30, 0, 0, 0, 0, 0, 0, 0, 6, 24])
    assert finding.table is not None
    assert finding.table["question"].unique().tolist() == ["smooth-or-featured", "merging"]
    assert finding.table["volunteers"].tolist() == [1, 0, 0, 0.2, 0.8]
    assert finding.table["expected fraction"].iloc[0] == pytest.approx(60 / 63)
    assert "smooth-or-featured: smooth (0.95); merging: no (0.89)" in finding.text


def test_fractions_without_votes_are_said_to_be_missing(posterior):
    finding = report.fractions_finding(posterior, np.zeros((len(IDS), 10)))
    assert finding.picture is None
    assert "No question was answered" in finding.text


def test_the_difference_of_fractions_is_that_of_galaxies_really_asked(tree):
    alpha = np.array([[[50.0, 50, 100, 1, 1, 1, 1, 1, 50, 50]]])
    finding = report.fractions_finding(Posterior(alpha, ["g"], tree), [[10, 10, 20, 0, 0, 0, 0, 0, 7, 13]])
    expected = np.sqrt((0 + 0 + 0 + 0.15**2 + 0.15**2) / 5)
    assert f"difference is {expected:.3f}" in finding.text
    assert finding.picture is None
    assert "so not drawn (fewer than 10): smooth-or-featured (1), edge-on (0), bar (0), merging (1)." in finding.text


def test_a_tasks_metrics_say_how_many_galaxies_they_rest_on(task, pixels):
    interval = {"accuracy_low": 0.711, "accuracy_high": 0.867}
    metrics = {"galaxies": 100.0, "accuracy": 0.8, **interval, "baseline": 0.6, "auc": float("nan"), "log_loss": 0.5}
    finding = report.task_finding("rings", metrics, task, pixels, answer="ring_yes")
    assert finding.text == (
        "On 100 galaxies that the model did not learn from: 80.0% of the labels are predicted correctly (95% interval 71.1 "
        "to 86.7); always giving the most common label would be right for 60.0%; log loss is 0.500."
    )
    surest, contrary, unsure = finding.galleries
    assert [tile.caption for tile in surest.tiles[:2]] == [IDS[40], IDS[39]]
    assert [tile.caption for tile in contrary.tiles[:2]] == [IDS[0], IDS[1]]
    assert unsure.tiles[0].caption == IDS[20]
    assert surest.tiles[0].lines == ("probability 1.000", "labelled yes")
    shares = report.task_finding("hubble", {}, task.assign(truth=0.25), pixels, answer="ring_yes")
    assert shares.galleries[0].tiles[0].lines == ("probability 1.000", "share of its labels 0.25")
    assert [gallery.heading for gallery in finding.galleries] == [
        "Most likely ring: yes", "Least likely ring: yes", "Least certain",
    ]  # fmt: skip


def test_a_number_is_shown_beside_its_labels_and_the_furthest_are_looked_at(pixels):
    rng = np.random.default_rng(2)
    label = rng.normal(20, 1, len(IDS))
    mean = label + 0.1
    mean[7] += 3.0  # one label that is nothing like what was expected
    table = pd.DataFrame({"id": IDS, "label": label, "mean": mean, "deviation": 0.2})
    table = table.assign(low_80=mean - 0.256, high_80=mean + 0.256)
    metrics = {
        "galaxies": float(len(IDS)), "rmse": 0.53, "rmse_low": 0.1, "rmse_high": 0.9, "baseline_rmse": 1.1,
        "coverage_80": 0.8, "bias": 0.02,
    }  # fmt: skip
    finding = report.number_finding("mass", metrics, table, pixels)
    assert finding.picture is not None
    assert "It holds 80% of the labels" in finding.text
    worst = finding.galleries[0].tiles[0]
    assert worst.caption == IDS[7]
    assert worst.lines == (f"labelled {label[7]:.4g}", f"mass {mean[7]:.4g} ± 0.2 expected")
    said = dict(finding.table.set_index("measure")["value"])
    assert said["root mean square error"] == "0.53"
    assert said["bias: expected less labelled, mean"] == "0.02"
    assert finding.table["95% interval"].tolist() == ["0.1 to 0.9", "", "", ""]
    divided = report.number_finding("z", metrics, table, {}, redshift=True)
    assert "bias: expected less labelled, mean, of differences / (1 + z)" in divided.table["measure"].tolist()
    assert divided.galleries == ()  # without pictures there is nothing to look at
    limits = table.assign(limit=["<"] * 8 + [""] * (len(IDS) - 8))
    assert report.number_finding("mass", metrics, limits, pixels).galleries[0].tiles[0].caption != IDS[7]
    nothing = report.number_finding("mass", {"galaxies": 0.0}, table.assign(limit=">"), pixels)
    assert nothing.text == "No galaxy with a known number was held out, so nothing is measured here."
    with pytest.raises(CatalogueError, match="no column 'high_80'"):
        report.number_finding("mass", metrics, table.drop(columns="high_80"), pixels)


def test_a_task_without_truth_claims_nothing(task, pixels):
    finding = report.task_finding("rings", {}, task.drop(columns="truth"), pixels, answer="ring_yes")
    assert finding.picture is None
    assert "nothing is measured" in finding.text
    with pytest.raises(CatalogueError, match="no galaxy"):
        report.task_finding("rings", {}, task.head(0), pixels, answer="ring_yes")
    with pytest.raises(CatalogueError, match="no column 'ring_no'"):
        report.task_finding("rings", {}, task, pixels, answer="ring_no")


def test_a_training_says_when_the_validation_loss_was_lowest():
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "val_loss": [3.0, 2.25, 2.5]})
    finding = report.training_finding(history)
    assert finding.text == (
        "The model was trained for 3 epochs. The last training loss is 1.500. The validation loss is lowest after epoch 2, "
        "at 2.250. Those weights are kept."
    )
    assert finding.picture is not None
    short = report.training_finding(history.head(1))
    assert short.text.startswith("The model was trained for 1 epoch. The last training loss is 3.000.")
    assert short.picture is None


def test_an_evaluation_is_shown_whole_with_coverage_before_and_after(tmp_path, posterior, draw_votes):
    votes = draw_votes(len(IDS))
    metrics = evaluate(posterior, votes, seen=votes, columns={"mag_r": np.linspace(14, 17, len(IDS))}, resamples=20)
    before = metrics.coverage.assign(**{"0.5": 0.25})
    findings = report.evaluation_findings(metrics, posterior, votes, uncalibrated=before)
    by_title = {finding.title: finding for finding in findings}
    assert list(by_title) == [
        "How often the model is right", "Which answers are confused", "Predicted and observed fractions",
        "How many volunteers the model equals", "Are the expected fractions right on average?",
        "Are the intervals wide enough?", "Accuracy by mag_r",
    ]  # fmt: skip
    covered = by_title["Are the intervals wide enough?"].table
    assert covered["50% before"].tolist() == [0.25] * len(covered)
    assert covered["50% intervals hold"].tolist() == metrics.coverage["0.5"].tolist()
    worth = by_title["How many volunteers the model equals"].table
    assert worth["accuracy there"].tolist() == pytest.approx(metrics.confident["confident_accuracy"].tolist(), nan_ok=True)
    page = report.write_report(tmp_path / "e.html", title="e", lead="", facts=[], findings=findings, how={})
    assert "mag_r 14 to" in Page(page).source


def test_a_reliability_panel_without_a_bin_to_draw_is_a_line():
    tree = DecisionTree("t", [Question("wide", ["yes", "no"]), Question("full", ["yes", "no"])])
    rng = np.random.default_rng(0)
    spread = (np.arange(12) + 0.5) / 12  # one or two galaxies in each tenth
    alpha = np.stack([50 * spread, 50 * (1 - spread), np.full(12, 40.0), np.full(12, 10.0)], axis=1)[None]
    votes = rng.integers(5, 20, (12, 4)).astype(float)
    posterior = Posterior(alpha, [str(i) for i in range(12)], tree)
    found = report.evaluation_findings(evaluate(posterior, votes, seen=votes, resamples=5), posterior, votes)
    (reliability,) = [finding for finding in found if finding.title.startswith("Are the expected")]
    assert "for any one bin of it, so not drawn: wide (12)." in reliability.text
    assert "panels: full." in reliability.alt


def test_numbers_of_volunteers_are_said_also_where_the_votes_cannot_tell():
    inf, nan = float("inf"), float("nan")
    assert people(9.14, 7.8, 10.5) == "9.1 (7.8 to 10)"
    assert people(14.6, 11.3, inf) == "15 (11 to any number)"
    assert people(27.6, nan, nan) == "-"  # of one galaxy
    assert people(inf, 60.2, inf) == "more than 60"
    assert people(inf, inf, inf) == people(nan, nan, nan) == "more than can be told"


def test_the_tree_is_told_in_words_too(posterior, draw_votes):
    finding = report.tree_finding(posterior, IDS[3], draw_votes(1)[0])
    assert "Upright marks" in finding.text
    for question, share in zip(posterior.tree.questions, posterior.asked()[3], strict=True):
        assert f"{question.name.removesuffix(posterior.tree.suffix)}, reached by {share:.0%}" in finding.alt
    assert "Upright" not in report.tree_finding(posterior, IDS[3]).text


def test_images_that_cannot_be_read_are_listed_with_the_reason():
    table = pd.DataFrame({"id": IDS, "path": "x.jpg", "reason": ["truncated"] * len(IDS)})
    finding = report.failures_finding(table, limit=5)
    assert finding.text.startswith("The images of 41 galaxies could not be read.")
    assert finding.text.endswith("The first 5 are listed.")
    assert finding.table.columns.tolist() == ["id", "reason"]
    assert finding.table["id"].tolist() == IDS[:5]
    with pytest.raises(CatalogueError, match="no column 'reason'"):
        report.failures_finding(table[["id"]])


def test_a_tile_says_what_share_of_its_information_a_question_has(selection, pixels):
    told = selection.assign(question=["bar"] * 5 + [float("nan")] * (len(IDS) - 5), question_share=0.408)
    first, *_, last = report.acquired_gallery(told, pixels).galleries[0].tiles
    assert not any("nan" in line for line in last.lines)
    assert first.lines[0] == "chosen for bar (41% of what its votes tell)"
    older = report.acquired_gallery(told.drop(columns="question_share"), pixels).galleries[0].tiles[0]
    assert older.lines[0] == "chosen for bar"


def test_a_galaxys_questions_that_few_reach_are_one_line(tree, pixels):
    alpha = np.array([[[60.0, 2, 1, 10, 10, 8, 20, 30, 5, 40]]])
    finding = report.galaxy_finding(Posterior(alpha, ["g"], tree), "g", pixels)
    assert "Left out, since fewer than half should reach them: edge-on (3%), bar (2%)." in finding.text


def test_backticks_are_code_and_the_rest_stays_as_it_is(tmp_path):
    finding = report.Finding("t", "run `zooactive <train>`, and a ` alone")
    source = report.write_report(tmp_path / "r.html", title="t", lead="", facts=[], findings=[finding], how={}).read_text()
    assert "<p>run <code>zooactive &lt;train&gt;</code>, and a ` alone</p>" in source


def test_the_verdict_comes_first_and_long_facts_are_lines_below_the_boxes(tmp_path):
    facts = [("galaxies", "24"), ("images", "A survey and its people, with a long name")]
    verdict = [("How good?", "On 95 galaxies")]
    path = report.write_report(tmp_path / "r.html", title="t", lead="", verdict=verdict, facts=facts, findings=[], how={})
    source = Page(path).source
    order = ["<h1>t</h1>", "How good?", "On 95 galaxies", "<dd>24</dd>", "images: A survey and its people"]
    places = [source.index(text) for text in order]
    assert places == sorted(places)
