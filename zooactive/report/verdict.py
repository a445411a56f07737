"""The verdict at the top of a report: how good the model is, what was chosen, what the clicks bought, what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zooactive.report.words import FEWEST, counted, listed, short_names

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.evaluation import Evaluation
    from zooactive.tree import DecisionTree

_NAMED = 4
"""Questions that are named in a sentence at most."""

GUESSING = "always giving the question's most common answer"


@dataclass(frozen=True)
class Judged:
    """Questions by whether the model answers them better than guessing.

    Parameters
    ----------
    clearly : tuple of str
        Better, and the whole 95% interval of the accuracy lies above that of guessing.
    better, not_better : tuple of str
        By the accuracy alone.
    few : tuple of str
        Asked of too few galaxies to judge.
    """

    clearly: tuple[str, ...]
    better: tuple[str, ...]
    not_better: tuple[str, ...]
    few: tuple[str, ...]

    @property
    def told(self) -> str:
        """Say how many there are of each."""
        judged = len(self.clearly) + len(self.better) + len(self.not_better)
        if not judged:
            return f"No question was asked of {FEWEST} test galaxies or more, so nothing can be judged yet."
        wins = len(self.clearly) + len(self.better)
        of = f"{wins} of {judged} question{'' if judged == 1 else 's'}"
        said = f"The model answers {of} better than guessing ({GUESSING})"
        if self.clearly:
            said += f", {len(self.clearly)} of them clearly: the whole 95% interval of the accuracy lies above guessing"
        elif wins:
            said += ", none of them clearly: every 95% interval of the accuracy reaches down to guessing"
        said += "."
        if wins and self.not_better:
            said += f" It does not beat guessing on {_named(self.not_better)}."
        if self.few:
            said += f" Asked of fewer than {FEWEST} test galaxies, and so not judged: {_named(self.few)}."
        return said


def judge(questions: pd.DataFrame) -> Judged:
    """Judge the questions of a table with question, galaxies, accuracy, baseline and, where they are known, accuracy_low."""
    clearly, better, not_better, few = [], [], [], []
    for row in questions.to_dict("records"):
        name = str(row["question"])
        if row["galaxies"] < FEWEST:
            few.append(name)
        elif row.get("accuracy_low", -math.inf) > row["baseline"]:
            clearly.append(name)
        elif row["accuracy"] > row["baseline"]:
            better.append(name)
        else:
            not_better.append(name)
    return Judged(tuple(clearly), tuple(better), tuple(not_better), tuple(few))


def how_good(metrics: Evaluation, tree: DecisionTree) -> str:
    """Say how many questions are answered better than by guessing, on how many galaxies, and which one best."""
    table = metrics.questions.assign(question=short_names(metrics.questions["question"], tree))
    said = f"On {counted(metrics.galaxies)} that the model did not learn from: {_lower(judge(table).told)}"
    judged = table[table["galaxies"] >= FEWEST]
    if judged.empty:
        return said
    most = judged.iloc[int((judged["accuracy"] - judged["baseline"]).argmax())]
    if most["accuracy"] > most["baseline"]:
        said += f" Its largest gain is on {most['question']}: {most['accuracy']:.0%} correct, "
        said += f"where guessing gets {most['baseline']:.0%}."
    return said


def what_was_chosen(selection: pd.DataFrame, tree: DecisionTree | None, *, labels: bool = False) -> str:
    """Say how many galaxies were chosen, and for the sake of which questions."""
    random = int((selection["arm"] == "random").sum())
    chosen = selection[selection["arm"] != "random"]
    said = f"{counted(len(chosen))} {'was' if len(chosen) == 1 else 'were'} chosen"
    topics = chosen["question"].dropna().astype(str) if "question" in chosen else chosen["id"].iloc[:0]
    names = topics if tree is None else short_names(topics, tree)
    counts: dict[str, int] = {}
    for name in names:
        if name:
            counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) == 1 and (labels or (tree is not None and len(tree.questions) == 1)):
        said += f" for what labels would tell about {ordered[0][0]}"
    elif ordered:
        shown = [f"{name} ({count})" for name, count in ordered[:_NAMED]]
        others = sum(count for _, count in ordered[_NAMED:])
        shown += [f"other questions ({others})"] if others else []
        said += f". The question that each should teach most about is {listed(shown)}"
    said += "."
    if random:
        said += f" {random} more {'was' if random == 1 else 'were'} drawn at random, to measure on."
    return said


def what_clicks_bought(metrics: Evaluation, tree: DecisionTree, *, galaxies: int, clicks: float) -> str:
    """Say how many votes the model has learnt from, and how many volunteers' votes its answers are worth."""
    if tree.votes == "class":
        first = metrics.questions.iloc[0]
        return (
            f"The model learnt from the labels of {counted(galaxies)}. "
            f"{first['accuracy']:.0%} of the labels that it did not see are predicted correctly; guessing gets "
            f"{first['baseline']:.0%}."
        )
    said = f"The model learnt from {clicks:,.0f} answers of volunteers about {counted(galaxies)}."
    worth = metrics.worth.assign(question=short_names(metrics.worth["question"], tree))
    known = worth[(worth["galaxies"] >= FEWEST) & worth["volunteers"].notna() & (worth["volunteers"] < math.inf)]
    if known.empty:
        return said
    first = known.iloc[0]
    said += f" Its error on {first['question']} equals that of {_volunteers(first['volunteers'])}"
    if len(known) > 1:
        most = known.iloc[int(known["volunteers"].argmax())]
        if most["question"] != first["question"]:
            said += f", on {most['question']} that of {_volunteers(most['volunteers'])}"
    return said + ". For galaxies that nobody has looked at, those are votes that nobody had to give."


def what_rounds_bought(history: pd.DataFrame) -> str:
    """Say what the clicks of a loop's rounds bought; blank before two rounds were measured.

    Parameters
    ----------
    history : DataFrame
        One row a round, as `zooactive.loop.Loop.history` returns it.
    """
    measure = next((name for name in ("test", "random") if f"{name}_accuracy" in history), None)
    if measure is None:
        return ""
    known = history[history[f"{measure}_accuracy"].notna()]
    if len(known) < 2:
        return ""
    first, last = known.iloc[0], known.iloc[-1]
    on = "test galaxies" if measure == "test" else "galaxies drawn at random"
    change = last[f"{measure}_accuracy"] - first[f"{measure}_accuracy"]
    moved = "rose" if change > 0 else "fell" if change < 0 else "stayed"
    return (
        f"From round {int(first['round'])} to round {int(last['round'])} volunteers gave "
        f"{last['clicks'] - first['clicks']:,.0f} answers about {counted(int(last['labelled'] - first['labelled']))}. On "
        f"{on}, accuracy over all questions {moved} from {first[f'{measure}_accuracy']:.1%} to "
        f"{last[f'{measure}_accuracy']:.1%}."
    )


def what_labels_bought(labelled: int, metrics: Mapping[str, float]) -> str:
    """Say how many labels a task has learnt from, and how often that is better than guessing; blank where it is unknown."""
    held_out = int(metrics.get("galaxies", 0))
    if labelled <= held_out:
        return ""
    said = f"{labelled - held_out:,} labels were learnt from, and {held_out:,} more were kept to measure on."
    good, guessed = metrics.get("accuracy", math.nan), metrics.get("baseline", math.nan)
    if not (math.isfinite(good) and math.isfinite(guessed)) or good <= guessed:
        return said
    return f"{said} Of 100 galaxies, the model labels {100 * (good - guessed):.0f} more correctly than guessing does."


def how_good_task(name: str, metrics: Mapping[str, float]) -> str:
    """Say in a sentence how good a fine-tuned task is on the galaxies that it did not learn from."""
    galaxies = int(metrics.get("galaxies", 0))
    if not galaxies:
        return f"{name}: no labelled galaxy was held out, so nothing is measured."
    if math.isfinite(metrics.get("accuracy", math.nan)):
        good, guessed = metrics["accuracy"], metrics.get("baseline", math.nan)
        low = metrics.get("accuracy_low", math.nan)
        word = "clearly better" if low > guessed else "better" if good > guessed else "no better"
        than = f", {word} than always giving the most common label ({guessed:.0%})" if math.isfinite(guessed) else ""
        return f"{name}: {good:.0%} of the labels of {counted(galaxies)} held out are predicted correctly{than}."
    if math.isfinite(metrics.get("mean_error", math.nan)):
        word = "less" if metrics["mean_error"] < metrics.get("baseline_error", -math.inf) else "no less"
        return (
            f"{name}: on {counted(galaxies)} held out the mean error of the fraction is {metrics['mean_error']:.3f}, {word} "
            f"than that of always predicting the mean ({metrics.get('baseline_error', math.nan):.3f})."
        )
    if math.isfinite(metrics.get("rmse", math.nan)):
        word = "less" if metrics["rmse"] < metrics.get("baseline_rmse", -math.inf) else "no less"
        return (
            f"{name}: on {counted(galaxies)} held out the root mean square error is {metrics['rmse']:.3g}, {word} than "
            f"that of always predicting the mean ({metrics.get('baseline_rmse', math.nan):.3g})."
        )
    return f"{name}: {counted(galaxies)} were held out."


def _volunteers(number: float) -> str:
    return f"{number:.0f} volunteers' votes" if number >= 10 else f"{number:.1f} volunteers' votes"


def _named(names: Sequence[str]) -> str:
    return listed([*names[:_NAMED], f"{len(names) - _NAMED} more"] if len(names) > _NAMED + 1 else names)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
