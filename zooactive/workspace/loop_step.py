"""Take one step of unattended rounds with the Zooniverse."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.addresses import cache_folder
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.locking import held
from zooactive.foundation.telling import NOTHING, Show, Tell, Watch, silent
from zooactive.foundation.vocabulary import CaesarRule
from zooactive.labels import load_wording
from zooactive.labels.zooniverse.caesar import Post, missing_in_caesar, post_to_caesar
from zooactive.labels.zooniverse.calls import Zooniverse
from zooactive.labels.zooniverse.owner import check_owner
from zooactive.labels.zooniverse.session import Session, open_session
from zooactive.loop.stepping.config import StepConfig
from zooactive.loop.stepping.intents import Intents
from zooactive.loop.stepping.setting import Setting, Shown, clock
from zooactive.loop.stepping.step import Step, take_step
from zooactive.workspace.loop import OPTIONS as OF_ROUNDS
from zooactive.workspace.loop import open_loop, survey_parts
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.origin import credit_of
from zooactive.workspace.sections import Zooniverse as Section
from zooactive.workspace.settings import Settings
from zooactive.workspace.told import epoch_told

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue

OPTIONS: Options = {**OF_ROUNDS, **options_of("zooniverse", Section)}


def loop_step(
    settings: Settings,
    *,
    dry_run: bool = False,
    caesar: CaesarRule | None = None,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> Step:
    """Do what is due now, say what the rounds wait for, and end; made to be run by cron.

    Parameters
    ----------
    settings : Settings
        The settings; ``[zooniverse]`` names the project, and ``[allocate]`` says when a galaxy is done.
    dry_run : bool
        Report every change, and make none.
    caesar : {"metadata", "reduction"}, optional
        Do only this: post to Caesar what it lacks of the rule that retires subjects.
    progress, tell : callable, optional

    Raises
    ------
    WorkspaceError
        If ``[zooniverse]`` lacks a number or a wording, or galaxies would be retired before they count as labelled.
    OutputError
        If another step is running.
    UploadError
        If the Zooniverse does not answer, or refuses this account.
    """
    section, ceiling = settings.zooniverse, settings.allocate.ceiling
    config = _config_of(settings)
    if section.wording is None:
        raise WorkspaceError('[zooniverse] names no wording; write wording = "wording.toml"')
    wording = load_wording(section.wording)
    if config.workflow not in wording.workflows:
        raise WorkspaceError(
            f"{section.wording} does not word workflow {config.workflow}; write a [[workflow]] with id = {config.workflow}"
        )
    session = open_session()
    there = Zooniverse(session, project=config.project, workflow=config.workflow)
    if caesar is not None:
        return _post(settings, there, session, caesar, dry_run=dry_run, tell=tell)
    watch = Watch(progress, lambda epoch, losses: tell(epoch_told(epoch, losses)))
    loop = open_loop(settings, progress=watch)
    if loop.galaxies.min_votes > ceiling:
        raise WorkspaceError(
            f"galaxies are retired after {ceiling} volunteers ([allocate] ceiling) and count as labelled from "
            f"{loop.galaxies.min_votes:g} votes ([survey] min_votes), so no galaxy would ever be trained on; lower min_votes"
        )
    credit, licence = credit_of(settings)
    setting = Setting(
        folder=loop.folder / "zooniverse",
        loop=loop,
        there=there,
        wording=wording,
        config=config,
        allocation=settings.allocate.allocation(),
        shown=Shown(
            section.side,
            section.credit or credit,
            section.licence or licence,
            section.columns,
            settings.model.preprocessing(),
        ),
        pictures=lambda: _pictures(settings),
        lock=cache_folder() / "workflows" / str(config.workflow),
        now=clock,
    )
    return take_step(setting, dry_run=dry_run, tell=tell)


def _config_of(settings: Settings) -> StepConfig:
    section = settings.zooniverse
    said = {entry.name: getattr(section, entry.name) for entry in fields(StepConfig)}
    missing = [name for name in ("project", "workflow") if said[name] is None]
    if missing:
        raise WorkspaceError(
            f"[zooniverse] names no {missing[0]}; write {missing[0]} = NUMBER, which is part of the project builder's URL"
        )
    return StepConfig(**said)


def _pictures(settings: Settings) -> Catalogue:
    """Return the loop's galaxies with their original images, because images packed for a network are smaller."""
    from zooactive.catalogue.surveys import join_catalogues

    galaxies, _ = survey_parts(replace(settings, survey=replace(settings.survey, shards=Path("no shards"))))
    return galaxies if settings.pool.catalogue is None else join_catalogues(galaxies, settings.read_pool())


def _post(settings: Settings, there: Zooniverse, session: Session, rule: CaesarRule, *, dry_run: bool, tell: Tell) -> Step:
    """Post what Caesar lacks, or only report it; first the owner must have set up what is needed."""
    section, ceiling, folder = settings.zooniverse, settings.allocate.ceiling, settings.loop.folder / "zooniverse"
    wishes = check_owner(there, live=section.live, prioritized=section.prioritized, ceiling=ceiling).wishes
    if wishes:
        return Step((), (), wishes)
    posted: list[str] = []

    def look() -> tuple[Post, ...]:
        return missing_in_caesar(session, workflow=int(there.workflow), task=section.task, ceiling=ceiling, rule=rule)

    with held(folder):
        intents = Intents(folder)
        try:

            def wrote(post: Post) -> None:
                posted.append(f"post to Caesar: {post.said}")
                intents.write(clock(), "caesar", "intent", path=post.path, body=dict(post.body))
                tell(posted[-1])

            if dry_run:
                posted += [f"post to Caesar: {post.said}" for post in look()]
            else:
                post_to_caesar(session, look, wrote)
        finally:
            intents.close()
    return Step(tuple(posted), (), () if posted else ("Caesar has everything already",))
