"""Gather the facts about a saved model for the card that it is published with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.parsing import read_object
from zooactive.foundation.telling import Tell
from zooactive.foundation.vocabulary import BACKBONES
from zooactive.foundation.writing import how_of
from zooactive.models.published.origin import Origin
from zooactive.models.saved_form import EMBEDDINGS_FORMAT, origin_of, read_about
from zooactive.report.card import Card, Rows
from zooactive.tree import DecisionTree
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.training.finetuning.finetuned_model import FinetunedModel

_FEW = 1000
_LEVELS = ("0.5", "0.8", "0.95")
_MEASURES = {
    "auc": "AUC",
    "macro_f1": "macro F1",
    "baseline": "accuracy of always giving the most common label",
    "baseline_error": "mean error of always giving the mean fraction",
    "log_loss": "log loss, nats per galaxy",
}


def card_of(
    settings: Settings, model: Path, repository: str, *, tuned: FinetunedModel | None, licence: str | None, tell: Tell
) -> Card:
    """Gather the card of the model in a folder; `tuned` is its fine-tuned task, if it has one."""
    about = read_about(model)
    config, origin = about["model"], origin_of(model, about)
    tree = DecisionTree.from_dict(config["tree"], where=str(model))
    embeddings = about["format"] == EMBEDDINGS_FORMAT
    run = model.parent if tuned is not None else _run_of(settings, model)
    learnt, data = _data_of_task(run, tuned) if tuned is not None and run is not None else _data_of_run(settings, run)
    metrics, covered = _measured_task(tuned) if tuned is not None else _measured_run(settings, run, about, tell)
    sees = f"embeddings of {config.get('encoder') or 'an encoder that has no name'}" if embeddings else "images of galaxies"
    says = "which label a galaxy would get" if tree.votes == "class" else "what volunteers would answer"
    return Card(
        repository=repository,
        title=f"{repository.partition('/')[2]}: {tree.title or tree.name}",
        licence=licence or (None if origin is None else origin.licence),
        lead=f"A zooactive model that looks at {sees} and predicts {says}, with an uncertainty: a Dirichlet posterior over "
        "the fractions of the answers to every question.",
        facts=_facts(about, tree, embeddings=embeddings),
        data=data,
        recipe=_recipe(settings, run, tuned),
        metrics=metrics,
        calibration=_calibration(about, tree, covered, tuned),
        limits=[f"It predicts {says}, and not what a galaxy is.", *_limits(config, learnt, metrics, embeddings=embeddings)],
        credit=_credit(origin, licence),
        embeddings=embeddings,
    )


def _facts(about: Mapping[str, Any], tree: DecisionTree, *, embeddings: bool) -> list[tuple[str, str]]:
    config = about["model"]
    questions = "; ".join(f"{question.name} ({', '.join(question.answers)})" for question in tree.questions)
    facts = [("questions", questions)]
    if embeddings:
        facts += [("input", f"{config['features']} features of {config.get('encoder') or 'an encoder that has no name'}")]
    else:
        pixels = Preprocessing.from_dict(config["preprocessing"])
        centre = "all of the image" if pixels.crop == 1 else f"the central {pixels.crop:g}"
        facts += [
            ("network", str(config["backbone"])),
            ("input", f"{pixels.size} x {pixels.size} pixels, {pixels.channels_told}, from 0 to 1, {centre}"),
        ]
        if about.get("first layer"):
            facts.append(("first layer", str(about["first layer"]).removeprefix("first layer ")))
    return [*facts, ("fingerprint", about["fingerprint"])]


def _run_of(settings: Settings, model: Path) -> Path | None:
    """Return the folder of the training run that made a model if it is known, that is, if it is the workspace's own."""
    from zooactive.workspace.file import own_settings

    own = own_settings(settings.folder).model.folder
    same = settings.model.folder.resolve() == model.parent.resolve() == own.resolve()
    return own if same else None


def _data_of_run(settings: Settings, run: Path | None) -> tuple[int | None, list[str]]:
    """Return the number of galaxies that a run was trained on, None if it is unknown, and sentences about its data."""
    if run is None or settings.survey.catalogue is None:
        return None, ["The model does not record which galaxies it was trained on."]
    table = Path(settings.survey.catalogue).name
    try:
        train, validation, test = settings.split_survey()
        tree, votes = train.take(train.labelled).require_votes()
    except (ZooactiveError, OSError):
        return None, [f"The votes of galaxies in the table {table}, which could not be read when this card was written."]
    first = [tree.slices[q] for q in range(len(tree.questions)) if tree.parents[q] < 0]
    given = sum(float(votes[:, where].sum()) for where in first)
    numbers = [int(part.labelled.sum()) for part in (validation, test)]
    return len(votes), [
        f"The votes of {len(votes):,} galaxies in the table {table}: {given:,.0f} votes on the first "
        f"question{'s' if len(first) > 1 else ''}. {numbers[0]:,} validation galaxies chose the best epoch, and "
        f"{numbers[1]:,} test galaxies were held out. A hash of the ids makes this split.",
    ]


def _data_of_task(folder: Path, tuned: FinetunedModel) -> tuple[int | None, list[str]]:
    from zooactive.workspace.finetuned import labels_of

    named = _options(folder).get("labels")
    table = f"the table {Path(named).name}" if isinstance(named, str) else "a table"
    held_out = len(tuned.held_out)
    try:
        labelled = int(labels_of(folder).labelled.sum())
    except (ZooactiveError, OSError):
        return None, [f"Labels in {table}; {held_out:,} were held out. The number of labels is not recorded."]
    folds = _config(folder).get("folds")
    apart = "each held out from one fit in turn" if folds else f"{held_out:,} of them held out"
    learnt = labelled if folds else labelled - held_out
    return learnt, [f"The labels of {labelled:,} galaxies in {table}, {apart}."]


def _options(folder: Path) -> dict[str, Any]:
    """Return the options that a result was made with, as far as they are recorded."""
    options = how_of(folder).get("options")
    return options if isinstance(options, dict) else {}


def _config(folder: Path) -> dict[str, Any]:
    config = _options(folder).get("config")
    return config if isinstance(config, dict) else {}


def _recipe(settings: Settings, run: Path | None, tuned: FinetunedModel | None) -> list[str]:
    """Return sentences on how the model was trained: only numbers and words that zooactive knows, no local paths."""
    if run is None:
        return ["The model does not record how it was trained."]
    if tuned is not None:
        config = _config(run)
        folds = f", measured by {config['folds']} folds" if config.get("folds") else ""
        return [f"Fine-tuned by `zooactive finetune`, policy {config.get('policy', 'unknown')}{folds}."]
    options = _options(run)
    training = options["training"] if isinstance(options.get("training"), dict) else {}
    names = ("loss", "optimizer", "learning_rate", "batch_size", "epochs", "seed")
    said = [
        f"{name.replace('_', ' ')} {training[name]}" for name in names if isinstance(training.get(name), str | int | float)
    ]
    recipe = [] if settings.recipe is None else [f"Recipe {settings.recipe.name}: {settings.recipe.title}."]
    kept = f" Epoch {options['best_epoch']} was kept." if isinstance(options.get("best_epoch"), int) else ""
    return [*recipe, f"Trained by `zooactive train`: {', '.join(said) or 'settings not recorded'}.{kept}"]


# How good -----------------------------------------------------------------------------------------------------------------


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) and np.isfinite(value) else "-"


def _interval(low: object, high: object) -> str:
    ends = [_number(low), _number(high)]
    return "-" if "-" in ends else " to ".join(ends)


def _measured_task(tuned: FinetunedModel) -> tuple[list[Rows], list[dict[str, Any]]]:
    metrics = tuned.evaluate()
    galaxies = int(metrics.pop("galaxies"))
    rows = [
        (
            _MEASURES.get(name, name.replace("_", " ")),
            _number(value),
            _interval(metrics.get(f"{name}_low"), metrics.get(f"{name}_high")),
        )
        for name, value in metrics.items()
        if not name.endswith(("_low", "_high"))
    ]
    found = [Rows(f"On {galaxies:,} held-out galaxies:", ("metric", "value", "95% interval"), rows)]
    if len(tuned.model.tree.questions) > 1:
        table = tuned.questions().to_dict("records")
        each = [
            (str(row["question"]), f"{row['galaxies']:,}", _number(row["accuracy"]), _interval(row["low"], row["high"]))
            for row in table
        ]
        found.append(Rows("Accuracy of each question:", ("question", "galaxies", "accuracy", "95% interval"), each))
    return found, []


def _measured_run(
    settings: Settings, run: Path | None, about: Mapping[str, Any], tell: Tell
) -> tuple[list[Rows], list[dict[str, Any]]]:
    """Read what `zooactive evaluate` wrote next to the model, if it measured this model."""
    import pandas as pd

    table = (run or settings.model.folder) / "evaluation.csv"
    if not table.is_file():
        tell("warning: the model was not measured; run `zooactive evaluate` first, and the card will say how good it is")
        return [], []
    if how_of(table).get("inputs", {}).get("model") != about["fingerprint"]:
        tell(f"warning: {table} measures another model, so the card leaves it out; run `zooactive evaluate` again")
        return [], []
    numbers, questions = read_object(table.with_suffix(".json")), pd.read_csv(table).to_dict("records")
    rows = [
        (
            str(row["question"]),
            f"{int(row['galaxies']):,}",
            _number(row["accuracy"]),
            _interval(row.get("accuracy_low"), row.get("accuracy_high")),
            _number(row["baseline"]),
            _number(row["mean_deviation"]),
        )
        for row in questions
    ]
    columns = ("question", "galaxies", "accuracy", "95% interval", "baseline", "deviation")
    above = (
        f"On {numbers['galaxies']:,} galaxies that it was not trained on. Accuracy is how often its most likely answer is "
        "the one that most volunteers gave, on galaxies for which at least half of the volunteers were asked the question. "
        "The baseline is the accuracy of always giving the most common answer. The deviation is the mean distance between "
        "expected and observed fractions."
    )
    below = (
        f"Negative log-likelihood of the votes: {numbers['likelihood']:.2f} nats per galaxy, against "
        f"{numbers['constant_likelihood']:.2f} for the best constant concentrations."
    )
    covered = numbers.get("coverage")
    weak = [str(row["question"]) for row in questions if row.get("accuracy_low", 1) <= row["baseline"]]
    if weak:
        below += (
            " For these questions the interval of the accuracy includes the baseline, so these galaxies do not show that "
            f"the model does better: {', '.join(weak)}."
        )
    return [Rows(above, columns, rows, below)], covered if isinstance(covered, list) else []


def _calibration(
    about: Mapping[str, Any], tree: DecisionTree, covered: Sequence[Mapping[str, Any]], tuned: FinetunedModel | None
) -> list[str | Rows]:
    factors = about.get("factors") or [1.0] * len(tree.questions)
    named = zip(tree.questions, factors, strict=True)
    kept = [f"{question.name} {factor:.2f}" for question, factor in named if factor != 1]
    said: list[str | Rows] = []
    if kept:
        said.append(f"It stores factors on its concentrations, fitted to validation galaxies: {', '.join(kept)}.")
    elif tree.votes == "class" and tuned is not None:
        said.append("Its probabilities were calibrated by temperature scaling on validation galaxies.")
    else:
        said.append("It stores no factors on its concentrations; `zooactive calibrate` fits them and keeps those that help.")
    if tuned is not None and tuned.prevalence is not None:
        said.append(f"Its probabilities assume that a share of {tuned.prevalence:g} of galaxies is '{tuned.answer}'.")
    if not covered:
        return said
    rows = [
        (str(row["question"]), f"{row['galaxies']:,}", *(_number(row.get(level)) for level in _LEVELS)) for row in covered
    ]
    above = "The share of the held-out galaxies' votes that lies inside its 50%, 80% and 95% intervals:"
    return [*said, Rows(above, ("question", "galaxies", "50%", "80%", "95%"), rows)]


# What to know -------------------------------------------------------------------------------------------------------------


def _limits(config: Mapping[str, Any], learnt: int | None, metrics: Sequence[Rows], *, embeddings: bool) -> list[str]:
    limits = []
    if learnt is None:
        limits.append("It is not recorded how many galaxies it was trained on.")
    elif learnt < _FEW:
        limits.append(f"It was trained on only {learnt:,} galaxies.")
    if not metrics:
        limits.append("Nobody has measured how good it is. Measure it on your own galaxies with `zooactive evaluate`.")
    if embeddings:
        limits.append("It takes embeddings of one encoder only, and refuses embeddings that name another encoder.")
    else:
        limits.append(
            "It saw images of one survey. For images of another survey, depth or scale, fine-tune it and measure it again."
        )
        if config["backbone"] not in BACKBONES:
            limits.append(
                f"Its network, {config['backbone']}, does not come with zooactive. Before you load the model, register the "
                "same builder under this name."
            )
    return limits


def _credit(origin: Origin | None, licence: str | None) -> list[str]:
    own = (licence or (None if origin is None else origin.licence)) or ""
    said = [f"Published under {own}." if own else "Whoever published it did not state a licence."]
    if origin is None:
        return [*said, "It started from random weights, or from weights whose origin is not recorded."]
    revision = "" if origin.revision is None else f" (revision {origin.revision})"
    names = {"bundled": "the encoder that comes with zooactive", "imagenet": "Keras' weights of ImageNet"}
    source = names.get(origin.source, origin.source)
    return [*said, f"It started from {source}{revision}, licence {origin.licence or 'not stated'}. Also credit its authors."]
