"""The loop of a workspace: its galaxies, its test galaxies and what learns, as ``zooactive.toml`` says."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.catalogue import Catalogue
from zooactive.catalogue.surveys import join_catalogues
from zooactive.loop import HeadLearner, Learner, Loop, LoopConfig, NetworkLearner
from zooactive.models.saved_form import BUNDLED
from zooactive.workspace.settings import Workspace

if TYPE_CHECKING:
    from zooactive.foundation.telling import EpochProgress


def open_loop(place: Workspace, *, progress: EpochProgress | None = None) -> Loop:
    """Open the workspace's loop, or begin it.

    The galaxies are those of the survey, but for its test part, on which rounds are measured, and those of the pool's own
    catalogue where it has one. `progress` is called after each epoch of a network's training.

    Raises
    ------
    ZooactiveError
        When the workspace names no catalogue or no tree, the folder holds another loop, or an image cannot be read.
    """
    galaxies, test = survey_parts(place)
    if place.pool.catalogue is not None:
        galaxies = join_catalogues(galaxies, place.read_pool())
    return Loop(
        place.loop.folder,
        learner_of(place, place.loop.folder, galaxies, test, progress=progress),
        galaxies,
        test=test if test.labelled.any() else None,
        config=config_of(place),
    )


def config_of(place: Workspace) -> LoopConfig:
    """What ``[acquire]`` and ``[loop]`` say of rounds."""
    chosen, rounds = asdict(place.acquire), place.loop
    chosen["strategy"] = rounds.strategy or chosen.pop("score")
    names = ("n", "votes", "strategy", "random_share", "beta", "per_clicks", "max_artifact", "target", "seed")
    return LoopConfig(
        **{name: chosen[name] for name in names},
        warm=rounds.warm,
        judge_share=rounds.judge_share,
        stop_share=rounds.stop_share,
        stop_rounds=rounds.stop_rounds,
    )


def survey_parts(place: Workspace) -> tuple[Catalogue, Catalogue]:
    """The survey's galaxies that may be learnt from, and its test part.

    A head that looks through another network reads the original images, whatever was packed for the workspace's own.
    """
    if place.loop.learner == "head":
        place = replace(place, survey=replace(place.survey, shards=Path("no shards")))
    learning, validation, test = place.split_survey()
    return join_catalogues(learning, validation), test


def learner_of(
    place: Workspace, folder: Path, galaxies: Catalogue, test: Catalogue, *, progress: EpochProgress | None = None
) -> Learner:
    """What ``[loop]`` says is to learn; for a head the features of all galaxies are computed, or found in the folder."""
    tree = place.survey_tree()
    if place.loop.learner == "network":
        return NetworkLearner(
            tree,
            place.model,
            place.training,
            draws=place.pool.draws,
            draws_from=place.pool.draws_from,  # type: ignore[arg-type]
            batch_size=place.pool.batch_size,
            progress=progress,
        )
    from zooactive.models import load_model
    from zooactive.prediction import predict

    start = load_model(place.model.start or BUNDLED)
    everything = join_catalogues(galaxies, test).without_votes()
    embeddings = predict(
        start,
        everything,
        out=folder / "embeddings",
        draws=1,
        batch_size=place.pool.batch_size,
        max_failures=place.pool.max_failures,
    )
    return HeadLearner(start, tree, embeddings, draws=place.pool.draws)
