"""How many galaxies does active learning save, against galaxies drawn at random, and which strategy saves most?

    python tests/benchmarks/bench_label_efficiency.py [FOLDER] [kaggle | zhu5 | kaggle-beta-1 ...]

Published: 35 to 60% fewer labelled galaxies (Walmsley et al. 2020). Two surveys, each with the features of an encoder that
has seen none of its galaxies: the Kaggle challenge's, seen by an EfficientNet-B0 trained on the clean classes of others,
and those clean classes, seen by one trained on the Kaggle challenge's. The head, with its Gaussian posterior, is learnt anew
in every round. For each seed the same galaxies are labelled at the start; 40 volunteers answer each galaxy that is asked
for, by its recorded fractions (of the clean classes: the class). Measured on a tenth that is never asked for, with votes
drawn likewise. ``kaggle-beta-1`` chooses less sharply. ``imagenet-5`` is the Kaggle challenge's as ImageNet's Lite0 sees it
at 192 pixels (``lite0.safetensors`` in the folder, of `examples/long/lite0_weights.py`), with 5 volunteers a galaxy. In the
folder (default ``bench-efficiency``) a second run goes on; with ``report`` as the last word the seeds that are whole are
reported. Three hours on two cores.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.foundation.vocabulary import STRATEGIES
from zooactive.loop import HeadLearner, LoopConfig, draw_votes, label_efficiency, learning_curves, rehearse, stops_at
from zooactive.models import load_published
from zooactive.report.plots import strategy_curves
from zooactive.report.plots.style import paper

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SEEDS = range(10)
METRICS = {"test_likelihood": False, "test_accuracy": True, "test_first_accuracy": True}
EPOCHS = {"kaggle": 6, "zhu5": 14}
ROUNDS = {  # how galaxies are chosen, how many are labelled at the start, rounds, strategies
    "kaggle": (LoopConfig(n=200, votes=40), 200, 5, STRATEGIES),
    "zhu5": (LoopConfig(n=120, votes=1), 120, 5, STRATEGIES),
    "kaggle-beta-1": (LoopConfig(n=200, votes=40, beta=1.0), 200, 5, ("mutual_information", "random")),
    "imagenet-5": (LoopConfig(n=300, votes=5), 400, 4, ("random", "epig", "mutual_information")),
}


def catalogues(name: str) -> tuple[za.Catalogue, za.Catalogue]:
    """The galaxies of a survey, and those of the other one that its encoder learns from: none is in both."""
    kaggle = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    zhu = za.read_catalogue(DATA / "zhu5" / "galaxies.parquet", tree="zhu5", label_column="label")
    others = zhu.take(~np.isin(zhu.ids.astype(str), kaggle.ids.astype(str)))
    return (others, kaggle) if name == "zhu5" else (kaggle, others)


def encoder(name: str, folder: Path) -> za.GalaxyModel:
    """Train the encoder, or find it; the images of both surveys then show the same sky at 64 pixels."""
    if name == "imagenet":
        return load_published(folder.parent / "lite0.safetensors", "gz2_kaggle", image_size=192)
    _, teachers = catalogues(name)
    assert teachers.tree is not None
    crop, kind = (240 / 256, "fraction") if name == "kaggle" else (1.0, "softplus")
    model = za.GalaxyModel(
        teachers.tree,
        backbone="efficientnet_b0",
        preprocessing=za.Preprocessing(size=64, crop=crop),
        concentrations=kind,
    )
    learning, judging = teachers.split((0.95, 0.05))
    config = za.TrainingConfig(epochs=EPOCHS[name], patience=99)
    history = za.train(model, learning, validation=judging, run_dir=folder, config=config)
    print(f"encoder for {name}: {len(learning)} galaxies, best validation loss {history['val_loss'].min():.3f}", flush=True)
    seen = za.Preprocessing(size=64, crop=1.0 if name == "kaggle" else 240 / 256)
    return model.with_tree(model.tree, preprocessing=seen)


def main(folder: Path, name: str) -> None:
    """Rehearse, and print the ratios."""
    of = name.partition("-")[0]
    start = encoder(of, folder / f"encoder-for-{of}")
    survey, _ = catalogues(of)
    pool, test = survey.split((0.9, 0.1))
    assert survey.tree is not None
    predictions = za.predict(start, survey.without_votes(), out=folder / f"embeddings-of-{of}", draws=1)
    learner = HeadLearner(start, survey.tree, predictions, draws=64)
    config, first, rounds, strategies = ROUNDS[name]
    began = time.perf_counter()
    table = rehearse(
        folder / name,
        learner,
        draw_votes(pool, volunteers=config.votes, seed=0),
        test=draw_votes(test, volunteers=40, seed=1),
        strategies=strategies,
        seeds=SEEDS,
        start=first,
        rounds=rounds,
        config=config,
        progress=lambda strategy, seed, done: print(
            f"{strategy}, seed {seed}, round {done}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True
        ),
    )
    report(name, table)


def report(name: str, table: pd.DataFrame) -> None:
    """Print the curves and the ratios of a finished rehearsal."""
    pd.set_option("display.width", 200)
    for cost in ("labelled", "clicks"):
        ratios = [
            label_efficiency(table, cost=cost, merit=merit, larger_is_better=larger).assign(merit=merit)
            for merit, larger in METRICS.items()
        ]
        print(f"\n{name}: {cost} that each strategy needs for what random reaches with all of them, as a share")
        print(pd.concat(ratios).to_string(index=False, float_format="{:.3f}".format))
    for merit in METRICS:
        curves = learning_curves(table, merit=merit)
        print(f"\n{name}: {merit} against labelled galaxies, means over {table['seed'].nunique()} seeds")
        print(curves.pivot(index="labelled", columns="strategy", values=merit).to_string(float_format="{:.4f}".format))
    told = table.groupby(["strategy", "round"], sort=False)[["told_acquired", "told_random"]].mean().unstack("strategy")
    print(f"\n{name}: nats a click that the votes of each round have told\n{told.to_string(float_format='{:.4f}'.format)}")
    for (strategy, seed), history in table.groupby(["strategy", "seed"], sort=False):
        if seed == 0:
            print(f"{strategy}, seed 0: the rule says stop after round {stops_at(history)}")


def picture(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw likelihood and accuracy against galaxies with votes, a row for each survey."""
    figure = paper(9, 3.6 * len(tables), layout="constrained")
    rows = figure.subplots(len(tables), 2, squeeze=False)
    for row, (name, table) in zip(rows, tables.items(), strict=True):
        for axes, merit in zip(row, ("test_likelihood", "test_accuracy"), strict=True):
            strategy_curves(axes, learning_curves(table, merit=merit), merit=merit)
            axes.set_title(f"{name}, {table['seed'].nunique()} seeds", fontsize=9, loc="left")
            if axes is not rows[0, 0]:
                axes.get_legend().remove()
    figure.savefig(path, dpi=130)


def whole(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The seeds that every strategy was played to its end with."""
    _, _, rounds, strategies = ROUNDS[name]
    return table.groupby("seed").filter(lambda seed: len(seed) == len(strategies) * (rounds + 1))


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-efficiency").resolve()
    words = sys.argv[2:]
    variants = [word for word in words if word != "report"] or list(ROUNDS)[:-1]  # which needs no file
    for variant in variants:
        if "report" in words:
            report(variant, whole(variant, pd.read_csv(place / variant / "rounds.csv")))
        else:
            main(place, variant)
    finished = {name: whole(name, pd.read_csv(place / name / "rounds.csv")) for name in variants}
    picture(finished, place / "label_efficiency.png")
