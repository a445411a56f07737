"""The page as headless Chromium draws it: on a screen, on a phone, on paper, and from the keyboard."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive import report
from zooactive.evaluation import evaluate
from zooactive.posterior import Posterior
from zooactive.report.sky_links import place_of
from zooactive.tree import load_tree

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")

IDS = [f"5877325783124542{i:02}" for i in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def page(folder) -> Path:
    """A page with a finding of every kind."""
    rng = np.random.default_rng(0)
    pixels = {galaxy_id: rng.integers(0, 255, (200, 200, 3), dtype=np.uint8) for galaxy_id in IDS[:30]}
    tree = load_tree("gz2")
    posterior = Posterior(rng.uniform(1, 60, (4, 40, len(tree.columns))), IDS, tree)
    votes = np.rint(30 * posterior.joint_mean())
    metrics = evaluate(posterior, votes, seen=votes, columns={"redshift": np.linspace(0, 0.1, 40)}, resamples=20)
    columns = {"id": IDS, "score": np.linspace(2, 1, 40), "rank": range(1, 41), "arm": ["acquired"] * 36 + ["random"] * 4}
    asked = {"question": ["bar", "something-odd"] * 20, "question_share": 0.4}
    selection = pd.DataFrame(columns | {"inclusion_probability": 0.01} | asked)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0], "val_loss": [3.0, 2.5]})
    task = pd.DataFrame({"id": IDS, "ring_yes": rng.uniform(0, 1, 40), "truth": rng.integers(0, 2, 40)})
    findings = [
        report.acquired_gallery(
            selection,
            pixels,
            tree=tree,
            expected=report.expectations(posterior),
            places={IDS[0]: place_of(pd.Series({"ra": 150.1, "dec": 2.2, "arcsec": 50.0}))},
        ),
        report.map_finding(rng.normal(size=(40, 2)), IDS, pixels, axes_told="Axes", pool=40, selection=selection, tree=tree),
        report.galaxy_finding(posterior, IDS[0], pixels, votes[0]),
        report.tree_finding(posterior, IDS[0], votes[0]),
        *report.evaluation_findings(metrics, posterior, votes, uncalibrated=metrics.coverage),
        report.training_finding(history),
        report.task_finding("rings", {"accuracy": 0.8, "galaxies": 40.0}, task, pixels, answer="ring_yes"),
        report.failures_finding(pd.DataFrame({"id": IDS[:3], "reason": "a-very-long-name-" * 9 + ".jpg is truncated"})),
    ]
    how = {"train": {"options": {"seed": 0}}}
    return report.write_report(
        folder / "page.html",
        title="A round",
        lead="Found.",
        verdict=[("How good?", "Good.")],
        facts=[("n", "40"), ("credit", "a-very-long-name-" * 9)],
        findings=findings,
        how=how,
    )


def chromium(folder: Path, *words: str) -> str:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}"]
    return subprocess.run(["chromium", *options, *words], check=True, capture_output=True, text=True, timeout=60).stdout


SCRIPTS = {
    "overhang": "return d.documentElement.scrollWidth - d.documentElement.clientWidth;",
    "keyboard": """
      const wide = [...d.querySelectorAll("*")].filter(e => e.scrollWidth > e.clientWidth + 1 &&
        ["auto", "scroll"].includes(getComputedStyle(e).overflowX));
      const deaf = wide.filter(e => e.tabIndex < 0 || !e.getAttribute("aria-label"));
      const first = d.querySelector("a, button, summary, [tabindex]");
      const to = d.querySelector(first.getAttribute("href"));
      return [wide.length > 0, deaf.length, to.id].join(" ");
    """,
    "words": """
      const levels = [...d.querySelectorAll("h1, h2, h3, h4")].map(h => Number(h.tagName[1]));
      const jumps = levels.filter((level, i) => i && level > levels[i - 1] + 1).length;
      const mute = [...d.images].filter(i => !i.alt.trim() || !i.complete || !i.naturalWidth).length;
      const nameless = [...d.querySelectorAll("table")].filter(t => !t.caption || !t.querySelector("th[scope=col]")).length;
      return [levels.filter(l => l == 1).length, jumps, mute, nameless, d.documentElement.lang].join(" ");
    """,
    "width": "return d.defaultView.innerWidth;",
    "hints": """
      d.defaultView.dispatchEvent(new Event("resize"));
      const wrong = [...d.querySelectorAll(".frame")].filter(f => {
        const inside = f.querySelector(".scroll");
        return (f.querySelector(".hint").offsetHeight > 0) != (inside.scrollWidth > inside.clientWidth + 1);
      });
      return [wrong.length, [...d.querySelectorAll(".hint")].filter(h => h.offsetHeight > 0).length > 0].join(" ");
    """,
    "sort": """
      const [order, topic, name] = ["order", "topic", "name"].map(part => d.querySelector(`[data-part=${part}]`));
      const set = (part, value) => { part.value = value; part.dispatchEvent(new Event("input")); };
      const first = () => d.querySelector(".gallery li:not([hidden])").dataset.name.slice(-2);
      const said = [first()];
      set(order, "n0 up"); said.push(first());
      set(topic, "something-odd"); said.push(first(), d.querySelector("output").value);
      set(name, "54207"); said.push(first(), d.querySelector("output").value);
      set(name, ""); set(topic, ""); set(order, "n0 down"); said.push(first(), d.querySelector("output").value);
      return said.join("; ");
    """,
    "enlarge": """
      const large = d.querySelector("dialog"), shots = d.querySelectorAll("button.shot");
      const said = [large.open];
      shots[0].click(); said.push(large.open, large.querySelectorAll("img, .bar").length, large.ariaLabel.slice(-14));
      large.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
      said.push(large.querySelector("figcaption .name").textContent.slice(-2), large.scrollWidth <= large.clientWidth);
      large.querySelector("[data-step=back]").click(); said.push(large.querySelector(".name").textContent.slice(-2));
      large.close(); said.push(large.open, shots[0].textContent.startsWith("Enlarge: "));
      return said.join("; ");
    """,
}
WIDTHS = (360, 768, 900, 1400)


@pytest.fixture(scope="module")
def said(folder, page) -> dict[str, dict[str, str]]:
    """Width -> script -> what it says of the page in a frame of that width."""
    shown = html.escape(page.read_text(encoding="utf-8"), quote=True)
    scripts = ",".join(f"{name}: (d) => {{ {script} }}" for name, script in SCRIPTS.items())
    wrapper = folder / "frame.html"
    wrapper.write_text(
        f'<iframe id="f" style="height:800px;border:0" srcdoc="{shown}"></iframe><pre id="said"></pre>'
        f'<script>const f = document.getElementById("f"), scripts = {{ {scripts} }}, said = {{}};'
        f"f.onload = () => {{ for (const width of {list(WIDTHS)}) {{ f.style.width = width + 'px'; said[width] = {{}};"
        "for (const name in scripts) said[width][name] = String(scripts[name](f.contentDocument)); }"
        'document.getElementById("said").textContent = JSON.stringify(said); }</script>',
        encoding="utf-8",
    )
    found = re.search(r'<pre id="said">(.*?)</pre>', chromium(folder, "--dump-dom", f"file://{wrapper}"), re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def drawn(folder, page) -> tuple[Path, Path]:
    """The page as a picture and on paper, of one browser: it takes longer to start than to draw."""
    picture, paper = folder / "page.png", folder / "page.pdf"
    options = (f"--screenshot={picture}", "--window-size=1000,1400", f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    chromium(folder, *options, f"file://{page}")
    return picture, paper


def test_a_browser_draws_the_page(drawn):
    assert len(Image.open(drawn[0]).convert("RGB").getcolors(1 << 24) or []) > 1000


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(said, width):
    assert said[str(width)]["width"] == str(width)
    assert said[str(width)]["overhang"] == "0"


def test_the_keyboard_reaches_whatever_scrolls_and_skips_to_the_findings(said):
    assert said["360"]["keyboard"] == "true 0 findings"


def test_a_screen_reader_finds_headings_in_order_and_words_for_every_picture(said):
    assert said["900"]["words"] == "1 0 0 0 en-GB"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hint_stands_above_what_is_wider_than_its_frame_and_nowhere_else(said, width):
    wrong, some = said[str(width)]["hints"].split()
    assert wrong == "0"
    assert some == "true" or width > 360


def test_galaxies_are_sorted_and_filtered_in_the_page(said):
    # Of 40 galaxies 48 would fit: the 36 chosen come first, 07 is the last odd one whose id ends so.
    assert said["900"]["sort"] == "00; 35; 35; 18 of 40 galaxies; 07; 1 of 40 galaxies; 00; 40 of 40 galaxies"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_galaxy_is_enlarged_with_its_neighbours_one_key_away(said, width):
    assert said[str(width)]["enlarge"] == "false; true; 2; 4200, enlarged; 01; true; 00; false; true"


def test_on_paper_every_finding_is_there(drawn):
    paper = drawn[1].read_bytes()
    assert 4 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") <= 20
