"""`zooactive calibrate`: calibrate a model's uncertainty about vote fractions."""

from __future__ import annotations

from typing import Any

from zooactive.cli.console import (
    CatalogueOption,
    EmbeddingsOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    number_or_column,
    open_workspace,
    print_table,
)


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    embeddings: EmbeddingsOption = None,
    volunteers: VolunteersOption = None,
    json: JsonOption = False,
) -> None:
    """Calibrate the model's uncertainty: fit a factor for each question to the validation galaxies' votes.

    The factor multiplies the question's concentrations. It is kept only if it also helps galaxies that it was not fitted to.
    """
    given: dict[str, Any] = {"model": model, "tree": tree, "catalogue": catalogue, "images": images}
    given |= {"id_column": id_column, "image_column": image_column, "embeddings": embeddings}
    table = open_workspace(workspace).calibrate(**given, volunteers=number_or_column(volunteers))
    print_table(table, as_json=json)
    gained = float(table.loc[table["kept"], "gain"].sum())
    note(
        f"{int(table['kept'].sum())} of {len(table)} factors are kept; where their questions were asked, they gain "
        f"{gained:.3f} nats in total on votes that they were not fitted to"
    )
    following = command_line("evaluate", workspace=workspace, **given, volunteers=volunteers)
    last_line(f"the factors are stored with the model: {table.attrs['file']}", following)
