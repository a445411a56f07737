"""What a reader of a report should do next, by what the workspace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooactive.models.saved_form import stored_fingerprint

if TYPE_CHECKING:
    from zooactive.workspace.settings import Settings


def next_step(settings: Settings, task: str | None, *, labels: bool, numbers: bool, guessing: bool) -> str:
    """Say what to do next.

    `task` is the name of the task that the report is about, if it is about one. `labels` says whether labels are learnt and
    not votes, `numbers` whether galaxies were chosen for a number, and `guessing` whether the model is no better than that.
    """
    from zooactive.prediction.stored import model_of

    named = "" if task is None else f" --task {task}"
    again = "add the labels to your table, and run `zooactive finetune` on it again."
    if settings.acquire.out.exists():
        if numbers:
            return f"Measure the galaxies below, or look their numbers up, {again}"
        if labels:
            by_page = " (`zooactive label`, or by hand)" if task is None else ""
            return f"Label the galaxies below{by_page}, {again}"
        warning = "The model is no better than guessing yet, so it cannot choose well. " if guessing else ""
        return (
            f"{warning}Look at the galaxies below. If they are galaxies worth looking at, write them for volunteers with "
            "`zooactive export`, add the votes to your table when they are in, and run `zooactive train` again. Before you "
            "spend many clicks, `zooactive loop rehearse` tells on votes that you have whether this choice beats random "
            "choice."
        )
    if model_of(settings.pool.predictions) is not None or task is not None:
        return f"Choose galaxies with `zooactive acquire{named}`."
    if stored_fingerprint(settings.model.folder) is not None:
        return "Let the model look at the galaxies that you could choose from: `zooactive predict`."
    tasks = sorted(file.parent.name for file in (settings.folder / "tasks").glob("*/finetuned.json"))
    if tasks:
        return f"Choose galaxies for a task with `zooactive acquire --task {tasks[0]}`, and see `zooactive report --task`."
    return "Train a model with `zooactive train`."
