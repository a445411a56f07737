"""Findings about galaxies: those to show next, and one of them in full."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.report.expected import Expectation
from zooactive.report.page import Finding, Gallery, ScaleBar, Tile, jpeg, png
from zooactive.report.plots.decision_tree import decision_tree, tree_size
from zooactive.report.plots.galaxies import galaxy_posteriors
from zooactive.report.plots.style import MOSTLY_ASKED, paper, short_name
from zooactive.report.sky_links import SkyPlace
from zooactive.report.words import counted, short_names

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree

AT_RANDOM = "drawn at random"

SIDE = 300
"""Pixels a side of a galaxy on the page at most."""

_LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
"""Arcsec that scale bars stand for."""
_LONGEST_BAR = 0.4


def acquired_gallery(
    selection: pd.DataFrame,
    pixels: Mapping[str, NDArray[np.uint8]],
    *,
    tree: DecisionTree | None = None,
    expected: Mapping[str, Sequence[Expectation]] | None = None,
    places: Mapping[str, SkyPlace] | None = None,
    labels: bool = False,
    limit: int = 48,
) -> Finding:
    """Show the galaxies of a selection in the order of their score, those chosen by it and those drawn at random apart.

    Parameters
    ----------
    selection : DataFrame
        Columns id, score, rank, arm ("acquired" or "random"), inclusion_probability and, where they are known, question,
        question_share and clicks, as `zooactive.acquire` returns it.
    pixels : mapping of str to uint8 array, shape (size, size, channels)
        Cutouts by id, which are shown at most 300 pixels wide; a galaxy without one is named all the same.
    tree : DecisionTree, optional
        Whose questions the column question names.
    expected : mapping of str to sequence of Expectation, optional
        By id, what the model expects: of `expectations`.
    places : mapping of str to SkyPlace, optional
        By id, coordinates, links and the side of the cutout.
    labels : bool
        Whether the model learns from labels and not from volunteers' votes.
    limit : int
        How many galaxies are shown at most; up to a quarter of them of those drawn at random.

    Raises
    ------
    CatalogueError
        When a column is missing.
    """
    need(selection, ("id", "score", "rank", "arm", "inclusion_probability"), "selection")
    if tree is not None and "question" in selection:
        selection = selection.assign(question=short_names(selection["question"], tree))
    ordered = selection.sort_values(["score", "rank"], ascending=[False, True], kind="stable")
    acquired, random = (ordered[ordered["arm"] == arm] for arm in ("acquired", "random"))
    from_random = min(len(random), max(limit // 4, limit - len(acquired)))
    scored = bool(acquired["score"].notna().any())
    shown = (
        ("Chosen by score" if scored else "Chosen at random", acquired.head(limit - from_random)),
        ("Drawn at random", random.head(from_random)),
    )
    about = _About(pixels, expected or {}, places or {}, labels)
    galleries = tuple(
        Gallery(f"{name}: {_first(len(rows), whole)}", tuple(about.tile(row) for row in rows_of(rows)))
        for (name, rows), whole in zip(shown, (len(acquired), len(random)), strict=True)
        if len(rows)
    )
    return Finding(
        "The galaxies to label next" if labels else "The galaxies to show volunteers next",
        _explained(len(acquired), len(random), about, scored=scored),
        galleries=galleries,
    )


def _explained(acquired: int, random: int, about: _About, *, scored: bool) -> str:
    told = "labels" if about.labels else "volunteers' votes"
    were = "was" if acquired == 1 else "were"
    parts = [f"{counted(acquired)} {were} chosen because {told} on them should teach the model most."]
    if not scored:
        parts = [f"{counted(acquired)} {were} chosen at random."]
    if random:
        parts.append(
            f"{random:,} more {'was' if random == 1 else 'were'} drawn at random from the whole pool. Keep "
            f"{'it' if random == 1 else 'them'} out of the training: measurements on random galaxies stay unbiased."
        )
    if scored:
        parts.append(f"\n\nThe score says how much the {'label' if about.labels else 'votes'} on a galaxy should teach.")
    if about.expected:
        likeliest = "" if about.has_deviations else ": the most likely label and its probability"
        each = likeliest if about.labels else ": the share of volunteers that should answer so"
        spread = ", plus or minus one standard deviation" if about.has_deviations else ""
        parts.append(f"The first line below a picture is what the model expects{each}{spread}.")
    parts.append(f"Pictures are at most {SIDE} pixels wide.")
    if any(place.side for place in about.places.values()):
        parts.append("The bar in a picture is its scale on the sky.")
    return " ".join(parts)


class _About:
    """What is known of the galaxies of a gallery, by their ids."""

    def __init__(
        self,
        pixels: Mapping[str, NDArray[np.uint8]],
        expected: Mapping[str, Sequence[Expectation]],
        places: Mapping[str, SkyPlace],
        labels: bool,
    ) -> None:
        self.pixels, self.expected, self.places, self.labels = pixels, expected, places, labels
        firsts = [answers[0] for answers in expected.values() if answers]
        self.first_answer = firsts[0].first[0] if firsts else None
        self.has_deviations = any(math.isfinite(one.deviation) for one in firsts)

    def tile(self, row: Mapping[str, Any]) -> Tile:
        galaxy, question = str(row["id"]), row.get("question")
        asked = question if isinstance(question, str) else ""  # of a table with blanks also NaN
        topic = AT_RANDOM if row["arm"] == "random" else asked
        place = self.places.get(galaxy)
        bar = None if place is None or place.side is None else scale_bar(place.side)
        lines = self._lines(galaxy, asked) + _why(row, topic, labels=self.labels) + _place_lines(place)
        return Tile(
            galaxy,
            f"Cutout of galaxy {galaxy}" + (f"; the bar is {bar.text} long" if bar else ""),
            thumbnail(self.pixels.get(galaxy)),
            lines=tuple(lines),
            links=() if place is None else tuple(place.links.items()),
            numbers=tuple(self._numbers(galaxy, row)),
            topic=topic,
            bar=bar,
        )

    def _lines(self, galaxy: str, topic: str) -> list[str]:
        """What the model expects: of the first question, and of the one that the galaxy was chosen for."""
        first, *others = self.expected.get(galaxy) or (None,)
        lines = [] if first is None else [first.told()]
        return lines + [f"{one.question}: {one.told()}" for one in others if one is not None and one.question == topic]

    def _numbers(self, galaxy: str, row: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
        yield "score", float(row["score"])
        if self.first_answer is not None:
            first = next(iter(self.expected.get(galaxy, ())), None)
            yield f"expected {self.first_answer}", math.nan if first is None else first.first[1]
            if self.has_deviations:
                yield "uncertainty (±)", math.nan if first is None else first.deviation
        if "clicks" in row:
            yield "clicks to expect", float(row["clicks"])
        if self.places:
            yield "right ascension", self.places[galaxy].ra if galaxy in self.places else math.nan


def _why(row: Mapping[str, Any], topic: str, *, labels: bool) -> list[str]:
    """Why a galaxy was chosen, and how likely that was."""
    if row["arm"] == "random":
        why = [AT_RANDOM]
    elif topic and not labels:
        share = float(row.get("question_share", math.nan))
        most = f" ({share:.0%} of what its votes tell)" if math.isfinite(share) else ""
        why = [f"chosen for {topic}{most}"]
    else:
        why = []
    score, chance = float(row["score"]), float(row["inclusion_probability"])
    numbers = [f"score {score:.3f}"] if math.isfinite(score) else []
    numbers += [f"rank {row['rank']}"]
    numbers += [f"chance of being chosen {chance:.2g}"] if math.isfinite(chance) else []
    return [*why, ", ".join(numbers)]


def _place_lines(place: SkyPlace | None) -> list[str]:
    return [] if place is None else [f"RA {place.ra:.5f}°, Dec {place.dec:+.5f}°"]


def scale_bar(side: float) -> ScaleBar | None:
    """Return the longest bar of a round length that takes at most two fifths of a cutout so many arcsec wide."""
    fitting = [length for length in _LENGTHS if length <= _LONGEST_BAR * side]
    if not fitting:
        return None
    length = fitting[-1]
    return ScaleBar(length / side, f"{length / 60:g} arcmin" if length >= 60 else f"{length:g} arcsec")


def galaxy_finding(
    posterior: Posterior,
    galaxy_id: str,
    pixels: Mapping[str, NDArray[np.uint8]],
    votes: ArrayLike | None = None,
    *,
    labels: bool = False,
) -> Finding:
    """Show one galaxy: its cutout, the densities of its vote fractions, and their numbers.

    Questions that fewer than half of the volunteers would reach are named in a line and not drawn.

    Parameters
    ----------
    posterior : Posterior
    galaxy_id : str
    pixels : mapping of str to uint8 array, shape (size, size, channels)
        Cutouts by id; without this galaxy's only the densities are drawn.
    votes : array_like, shape (answer,), optional
        This galaxy's votes.
    labels : bool
        Whether the model learns from labels and not from volunteers' votes.
    """
    one, tree = posterior.select([galaxy_id]), posterior.tree
    asked = one.asked()[0]
    reached = [q for q in range(len(tree.questions)) if asked[q] >= MOSTLY_ASKED]
    table, said = _answers(one, reached, votes, labels=labels)
    names = [short_name(tree, question.name) for question in tree.questions]
    others = ", ".join(f"{name} ({asked[q]:.0%})" for q, name in enumerate(names) if q not in reached)
    left_out = f"\n\nLeft out, since fewer than half should reach them: {others}." if others else ""
    if tree.votes == "class":  # a label does not tell how sure its probability is
        return Finding(f"Galaxy {galaxy_id}", f"The most likely label is {said}.", table=table, table_caption=_OF_LABELS)
    shown = [tree.questions[q].name for q in reached]
    figure = galaxy_posteriors(one, galaxy_id, image=pixels.get(galaxy_id), votes=votes, questions=shown)
    whose = "labels" if labels else "volunteers"
    marks = f" Rings mark the fractions that the {whose} gave." if votes is not None else ""
    drawn = "The cutout of the galaxy, then for" if galaxy_id in pixels else "For"
    return Finding(
        f"Galaxy {galaxy_id} in full",
        f"The most likely answers, with the expected fraction of each: {said}.\n\n"
        f"Each hump shows where a fraction should lie: a narrow hump is a sure one.{marks}{left_out}",
        picture=png(figure),
        alt=f"{drawn} each of {len(reached)} questions the posterior density of every answer's vote fraction.{marks} "
        "The table gives the numbers.",
        table=table,
        table_caption="Expected fraction of each answer, with its 90% credible interval.",
    )


_OF_LABELS = "Probability of each label."


def _answers(one: Posterior, reached: Sequence[int], votes: ArrayLike | None, *, labels: bool) -> tuple[pd.DataFrame, str]:
    """Return a galaxy's answers as rows, and the likeliest ones in words."""
    import pandas as pd

    tree = one.tree
    mean, interval = one.mean()[0], one.interval(0.9)[0]
    counts = np.zeros(len(tree.columns)) if votes is None else np.asarray(votes, dtype=float)
    rows, said = [], []
    for q in reached:
        question, where = tree.questions[q], tree.slices[q]
        name, total = short_name(tree, question.name), counts[where].sum()
        for answer, i in zip(question.answers, range(where.start, where.stop), strict=True):
            row: dict[str, Any] = {"question": name, "answer": answer}
            if tree.votes == "class":
                row |= {"probability": mean[i]}
            else:
                row |= {"expected fraction": mean[i], "90% from": interval[i, 0], "to": interval[i, 1]}
            if votes is not None:
                row["labels" if labels else "volunteers"] = counts[i] / total if total else math.nan
            rows.append(row)
        likeliest = int(mean[where].argmax())
        said.append(f"{name}: {question.answers[likeliest]} ({mean[where][likeliest]:.2f})")
    return pd.DataFrame(rows), "; ".join(said)


def tree_finding(posterior: Posterior, galaxy_id: str, votes: ArrayLike | None = None, *, labels: bool = False) -> Finding:
    """Show the decision tree with one galaxy's probabilities on its branches.

    Parameters
    ----------
    posterior : Posterior
    galaxy_id : str
    votes : array_like, shape (answer,), optional
        This galaxy's votes.
    labels : bool
        Whether the model learns from labels and not from volunteers' votes.
    """
    one, tree = posterior.select([galaxy_id]), posterior.tree
    figure = paper(*tree_size(tree))
    decision_tree(figure.add_axes((0, 0, 1, 1)), one, galaxy_id, votes)
    mean, asked = one.mean()[0], one.asked()[0]
    spoken = [
        f"{short_name(tree, question.name)}, reached by {asked[q]:.0%}: "
        + ", ".join(
            f"{answer} {mean[a]:.2f}" for answer, a in zip(question.answers, range(where.start, where.stop), strict=True)
        )
        for q, (question, where) in enumerate(zip(tree.questions, tree.slices, strict=True))
    ]
    whose = "labels" if labels else "volunteers"
    marks = f" Upright marks are the fractions that the {whose} gave." if votes is not None else ""
    return Finding(
        f"Galaxy {galaxy_id} along the decision tree",
        f"Each box is a question, with the share of all {whose} that should reach it. A branch is as wide as the share that "
        f"takes it. Questions that fewer than half should reach are grey.{marks}",
        picture=png(figure),
        alt=f"Decision tree. {'; '.join(spoken)}.",
    )


# What other findings share ------------------------------------------------------------------------------------------


def thumbnail(pixels: NDArray[np.uint8] | None) -> bytes | None:
    """Return a cutout as a JPEG at most `SIDE` pixels wide."""
    if pixels is None:
        return None
    from PIL import Image

    grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return jpeg(np.asarray(image))


def rows_of(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Return rows as dictionaries."""
    return ({str(key): value for key, value in record.items()} for record in table.to_dict("records"))


def need(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    """Raise a CatalogueError for the first of the columns that is missing."""
    for column in columns:
        if column not in table:
            raise CatalogueError(f"the {what} has no column '{column}'; it needs {', '.join(columns)}")


def _first(shown: int, whole: int) -> str:
    return counted(whole) if shown == whole else f"the first {shown} of {counted(whole)}"
