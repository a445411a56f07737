"""`zooactive publish`: write a model as a repository that others can load, and upload it to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    JsonOption,
    ModelOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
    print_table,
)


def command(
    repository: Annotated[str, typer.Argument(help="USER/NAME on the Hugging Face hub.")],
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write it to this folder, for example for Zenodo, and upload nothing.", show_default=False),
    ] = None,
    archive: Annotated[
        bool, typer.Option("--zip", help="Also pack it as a zip next to the folder, and print the zip's SHA-256.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Let only the owner see the repository.")] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence, such as cc-by-4.0 (default: that of the weights that the model started from).", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be uploaded, and write nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Write a model and its card as a repository, and upload it to the Hugging Face hub if you are logged in.

    Only the weights, model.json, config.json and the card README.md are published.
    """
    import pandas as pd

    here = open_workspace(workspace)
    done = here.publish(repository, model=model, out=out, archive=archive, private=private, licence=licence, dry_run=dry_run)
    table = pd.DataFrame({"file": list(done.files), "bytes": list(done.files.values())})
    print_table(table, as_json=json, title=f"{done.repository}, licence {done.licence or 'not stated'}")
    if done.folder is None:
        given = {"workspace": workspace, "model": model, "out": out, "licence": licence}
        switches = "".join(f" {switch}" for switch, on in (("--zip", archive), ("--private", private)) if on)
        last_line("Nothing was written or uploaded.", f"{command_line(f'publish {done.repository}', **given)}{switches}")
        return
    if done.archive is not None:
        note(f"{done.archive}: sha256 {done.sha256}")
    name = f"hf://{done.repository}"
    if done.page is None:
        last_line(f"The repository is in {done.folder}; look at its README.md.")
    elif done.changed:
        last_line(f"Published: {done.page}, commit {done.commit}; others load it as {name}")
    else:
        last_line(f"{done.page} holds the same files already (commit {done.commit}); nothing was uploaded")
