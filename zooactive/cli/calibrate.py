"""`zooactive calibrate`: set right how sure a model is of vote fractions."""

from __future__ import annotations

from pathlib import Path

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    TreeOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
    print_table,
    progress_bar,
    start_networks,
)


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    json: JsonOption = False,
) -> None:
    """Fit a factor on the concentrations of each question to the validation galaxies' votes; kept where it helps others."""
    place = open_workspace(
        workspace,
        model={"folder": model},
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column},
    )
    validation = place.split_survey()[1]
    start_networks()
    from zooactive.foundation.errors import ModelError
    from zooactive.models import load_model
    from zooactive.models.saved_form import BUNDLED, model_folder
    from zooactive.training.calibrate import calibrate

    if place.model.folder.name == BUNDLED and not place.model.folder.exists():
        raise ModelError("the bundled encoder stays as it is; train or fine-tune a model of your own")
    network, folder = load_model(place.model.folder), model_folder(Path(place.model.folder))
    with progress_bar("predicting the validation galaxies", int(validation.labelled.sum())) as progress:
        table = calibrate(
            network,
            validation,
            draws=place.pool.draws,
            seed=place.pool.seed,
            batch_size=place.pool.batch_size,
            progress=progress,
        )
    network.save(folder)
    print_table(table, as_json=json)
    gained = float(table.loc[table["kept"], "gain"].sum())
    note(
        f"{int(table['kept'].sum())} of {len(table)} factors are kept; where their questions were asked they bring "
        f"{gained:.3f} nats in all on votes that they were not fitted to"
    )
    last_line(f"stored with the model: {folder}", command_line("evaluate", workspace=workspace, model=model))
