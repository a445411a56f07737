"""The page in a real browser, driven by keys and clicks: one at a time, the grid, classes, a reload; and how it looks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from browser import HERE, Browser
from pictures import picture

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.images import encode_png
from zooactive.loop.labelling.session import Session
from zooactive.report.labelling_page.server import PageServer
from zooactive.tree import DecisionTree, Question

pytestmark = pytest.mark.skipif(not HERE, reason="needs the browser chromium")

GALAXIES = 80
IDS = [f"g{i:03d}" for i in range(GALAXIES)]
FEATURES = np.random.default_rng(0).normal(size=(GALAXIES, 4)).astype(np.float16)


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    for name in IDS:
        (folder / f"{name}.png").write_bytes(encode_png(picture(rng, 48)))
    table = pd.DataFrame({"id": IDS, "image": [f"{name}.png" for name in IDS], "ra": 150.1, "dec": 2.2})
    table.to_csv(folder / "galaxies.csv", index=False)
    return read_catalogue(folder / "galaxies.csv")


@pytest.fixture
def opened(pool, tmp_path, browser):
    """Return a function (answers, or a tree) -> session, whose page the browser has opened."""
    ends = []

    def begin(*answers, tree=None, features=True):
        tree = tree or DecisionTree("labels", (Question("ring", answers or ("yes", "no")),), votes="class")
        session = Session(pool.ids, tree, tmp_path / "ring", image_of=lambda row: str(pool.images[row]))
        server = PageServer(session, pool)
        ends.extend([server.stop, session.close])
        if features:
            session.embedded(FEATURES)
            session.wait()
        server.start()
        browser.goto("about:blank")  # the page before asks its server, which is gone
        browser.run("0")
        browser.told.clear()
        browser.size(1280, 900)
        browser.goto(server.address)
        browser.wait(ON_SCREEN)
        return session

    yield begin
    for end in ends:
        end()


ON_SCREEN = "document.getElementById('galaxy')?.naturalWidth > 0 && document.getElementById('galaxy').dataset.id"
KEPT = "Number(document.body.dataset.kept || 0)"


def said(browser):
    return browser.run("document.getElementById('said').textContent")


def labels(session):
    return pd.read_csv(session.folder / "labels.csv", dtype=str, keep_default_na=False)


def answer(browser, key):
    """Press a key, wait until the answer is kept and another galaxy is on the screen, and return the one answered."""
    shown, kept = browser.wait(ON_SCREEN), browser.run(KEPT)
    browser.press(key)
    browser.wait(f"{KEPT} > {kept}")
    browser.wait(f"({ON_SCREEN}) !== {shown!r}")
    return shown


def test_keys_answer_go_back_take_back_and_skip(opened, browser):
    session = opened()
    first, second = answer(browser, "1"), answer(browser, "2")
    assert labels(session).set_index("id")["ring"].to_dict() == {first: "yes", second: "no"}
    third = browser.run(ON_SCREEN)
    browser.press("ArrowLeft")
    browser.wait(f"({ON_SCREEN}) === {second!r}")
    assert browser.run("document.querySelector('#answers [aria-pressed=true]').textContent") == "2 no"
    answer(browser, "1")  # one has changed one's mind
    assert labels(session).set_index("id")["ring"].to_dict() == {first: "yes", second: "yes"}
    browser.wait(f"({ON_SCREEN}) === {third!r}")
    browser.press("u")
    browser.wait(f"({ON_SCREEN}) === {second!r}")
    assert labels(session).set_index("id")["ring"].to_dict() == {first: "yes", second: "no"}
    answer(browser, "s")
    assert second in {event.galaxy for event in session.answers.events if not event.answer}
    assert browser.told == []


def test_a_reload_and_another_tab_go_on(opened, browser):
    session = opened()
    done = {answer(browser, "1") for _ in range(4)}
    browser.run("location.reload()")
    browser.wait(f"{KEPT} === 0 && {ON_SCREEN}")
    done |= {answer(browser, "2") for _ in range(4)}
    assert len(done) == 8 == len(labels(session))


def test_what_is_expected_is_told_after_the_answer(opened, browser):
    session = opened()
    truth = dict(zip(IDS, np.where(FEATURES[:, 0] > 0, "1", "2"), strict=True))
    for _ in range(24):
        answer(browser, truth[browser.wait(ON_SCREEN)])
    session.wait()
    shown = browser.wait(ON_SCREEN)
    assert "Expected" not in browser.run(f"document.body.innerText.split({shown!r})[0]")
    answer(browser, truth[shown])
    assert "Expected was yes" in said(browser)
    browser.wait("document.querySelector('#curve polyline') !== null")
    assert "AUC" in browser.run("document.getElementById('merits').textContent")
    assert "more expected" in browser.run("document.getElementById('counts').textContent")


def test_modes_are_explained_and_obeyed(opened, browser):
    session = opened()
    browser.run(
        "(() => { const m = document.getElementById('mode'); m.value = 'random'; m.dispatchEvent(new Event('change')); })()"
    )
    browser.wait("document.getElementById('mode-said').textContent.includes('fair sample')")
    answer(browser, "1")
    for _ in range(5):
        answer(browser, "1")
    chosen = [event.chosen for event in session.answers.events][1:]
    assert set(chosen) == {"random"}
    assert all(event.probability > 0 for event in session.answers.events[1:])


def test_the_grid_takes_a_page_of_answers_at_once(opened, browser):
    session = opened()
    browser.click("#to-grid")
    browser.wait("document.querySelectorAll('#tiles button').length === 24")
    out = browser.run("document.querySelectorAll('#tiles button')[1].getAttribute('aria-label')").removeprefix("Galaxy ")
    browser.click("#tiles button:nth-child(2)")
    assert browser.run("document.querySelectorAll('#tiles [aria-pressed=true]').length") == 1
    browser.click("#confirm")
    browser.wait(f"{KEPT} >= 24")
    found = labels(session)
    assert len(found) == 24
    assert found.loc[found["ring"] == "no", "id"].tolist() == [out]
    assert set(found["chosen"]) == {"grid"}


def test_of_several_classes_those_that_are_not_wait_for_an_answer_of_their_own(opened, browser):
    session = opened("merger", "ring", "neither")
    assert browser.run("[...document.querySelectorAll('#answers button')].map(b => b.textContent).join()") == (
        "1 merger,2 ring,3 neither"
    )
    browser.click("#to-grid")
    browser.wait("document.querySelectorAll('#tiles button').length === 24")
    out = browser.run("document.querySelectorAll('#tiles button')[0].getAttribute('aria-label')").removeprefix("Galaxy ")
    browser.click("#tiles button")
    browser.click("#confirm")
    browser.wait(f"{KEPT} >= 23")
    browser.click("#to-one")
    seen = []
    for _ in range(4):
        seen.append(answer(browser, "3"))
        if seen[-1] == out:
            break
    assert out in seen
    assert labels(session).set_index("id").loc[out, "ring"] == "neither"


def test_a_tree_asks_one_question_after_the_other(opened, browser):
    tree = DecisionTree(
        "bars",
        (
            Question("smooth", ("yes", "no")),
            Question("bar", ("strong", "weak", "none"), asked_after=["smooth_no"]),
            Question("odd", ("yes", "no")),
        ),
        min_votes=1,
    )
    session = opened(tree=tree)
    assert browser.run("document.getElementById('to-grid').hidden")
    shown = browser.wait(ON_SCREEN)

    def wait_for(question):
        browser.wait(f"document.getElementById('question').textContent === {question!r}")

    for key, after in (("2", "odd"), ("1", "bar")):  # questions that do not wait for others come first
        browser.press(key)
        wait_for(after)
        assert browser.run(ON_SCREEN) == shown
    browser.press("u")
    wait_for("odd")
    browser.press("1")
    wait_for("bar")
    browser.press("2")
    browser.wait(f"({ON_SCREEN}) !== {shown!r}")
    wait_for("smooth")
    browser.press("1")
    wait_for("odd")
    browser.wait(f"{KEPT} === 5")
    browser.run("location.reload()")
    browser.wait(f"{KEPT} === 0 && {ON_SCREEN}")
    found = labels(session).set_index("id")
    assert found.loc[shown, list(tree.columns)].astype(int).tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert len(found) == 1
    assert browser.told == []


def test_looks_change_by_keys_and_links_lead_to_the_sky(opened, browser):
    opened()
    for key in ("+", "b", "c", "i", "g"):
        browser.press(key)
    style = browser.run("document.getElementById('galaxy').style.cssText")
    assert "brightness(1.2) contrast(1.2) invert(1) grayscale(1)" in style
    assert "scale(1.25)" in style
    browser.press("0")
    assert "scale(1)" in browser.run("document.getElementById('galaxy').style.cssText")
    links = browser.run("[...document.querySelectorAll('#about a')].map(a => a.textContent + ' ' + a.href).join('\\n')")
    assert [line.split(" http")[0] for line in links.splitlines()] == ["Legacy Survey", "SDSS", "Aladin", "ESASky"]
    assert "ra=150.100000&dec=2.200000" in links
    browser.press("?")
    assert not browser.run("document.getElementById('keys').hidden")


def test_by_keyboard_alone_and_for_those_who_listen(opened, browser):
    opened()
    names = browser.run(
        "[...document.querySelectorAll('button, select, input')].filter(e => e.offsetParent).map(e =>"
        "(e.getAttribute('aria-label') || e.textContent || (e.labels && e.labels[0]?.textContent) || '').trim())"
    )
    assert all(names)
    browser.press("Tab")
    focused = browser.run("getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName")
    assert focused.startswith("solid")
    assert browser.run("document.getElementById('said').getAttribute('aria-live')") == "polite"
    assert browser.run("document.getElementById('galaxy').alt").startswith("Galaxy g")
    browser.run("[...document.querySelectorAll('#answers button')][0].focus()")
    shown = browser.run(ON_SCREEN)
    browser.press("Enter")
    browser.wait(f"({ON_SCREEN}) !== {shown!r}")


CONTRAST = """(() => {
  const light = (colour) => { const c = colour.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };
  const under = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c) && c !== "transparent") return c; } return "rgb(255, 255, 255)"; };
  return [...document.querySelectorAll("h1, h2, p, button, select, input, label, a, dt, dd")].filter(e => e.offsetParent &&
    e.textContent.trim() && !e.disabled).map(e => { const [a, b] = [light(getComputedStyle(e).color), light(under(e))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.textContent.trim().slice(0, 20)]; })
    .filter(([ratio]) => ratio < 4.5).map(String).join("; ");
})()"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_it_fits_the_screen_and_can_be_read(opened, browser, width, dark):
    opened()
    browser.press("?")
    browser.size(width, 844, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(CONTRAST) == ""
    assert browser.run("document.getElementById('galaxy').getBoundingClientRect().width") > 250
