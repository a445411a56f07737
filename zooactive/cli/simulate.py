"""`zooactive simulate`: simulate galaxies whose vote probabilities are known, and a crowd that classifies them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import be_brief, command_line, last_line

app = typer.Typer(
    no_args_is_help=True, help="Simulate galaxies whose vote probabilities are known, and a crowd that classifies them."
)


@app.command()
def sky(
    folder: Annotated[Path, typer.Argument(help="Folder for images and tables.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies to draw.")] = 1000,
    size: Annotated[int, typer.Option(min=8, max=4096, help="Pixels per side of every image.")] = 64,
    volunteers: Annotated[int, typer.Option(min=1, help="Volunteers who vote on each galaxy.")] = 40,
    labelled: Annotated[
        int | None, typer.Option(min=0, help="Give votes to only this many galaxies (default: all).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
) -> None:
    """Draw simulated galaxies: images, votes, the true probability of each answer, and the wording of a workflow."""
    be_brief()
    from zooactive.foundation.writing import write_how
    from zooactive.labels.simulate import write_sky
    from zooactive.labels.simulate.sky import TREE

    options = {"n": n, "size": size, "volunteers": volunteers, "labelled": labelled, "seed": seed}
    table = write_sky(folder, n, seed=seed, size=size, volunteers=volunteers, labelled=labelled)
    write_how(folder, command="simulate sky", options=options, inputs={})
    with_votes = n if labelled is None else min(labelled, n)
    last_line(
        f"{n} galaxies in {folder}, {with_votes} of them with votes: images/, galaxies.csv, truth.csv and wording.toml",
        command_line(f"init {shlex.quote(str(folder))}", tree=TREE, catalogue=table, image_size=size),
    )


@app.command()
def crowd(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST", help="Manifest of the subjects, written by `zooactive export`.")
    ],
    truth: Annotated[Path, typer.Option(help="truth.csv of the sky: the true probability of each answer.")],
    wording: Annotated[Path, typer.Option(help="A .toml file that says how the workflow words the tree's questions.")],
    votes: Annotated[
        int, typer.Option("--votes", "--volunteers-per-subject", min=1, help="Volunteers who see each galaxy.")
    ] = 40,
    out: Annotated[Path, typer.Option(help="The classification export: a .csv file.")] = Path("classifications.csv"),
    volunteers: Annotated[int, typer.Option(min=1, help="Number of volunteers in the crowd.")] = 2000,
    skill: Annotated[float, typer.Option(min=0, max=1, help="Mean skill; skill 1 answers by the true probabilities.")] = 0.9,
    bias: Annotated[
        float, typer.Option(min=0, max=1, help="How lopsided the answers of volunteers who do not look are.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the volunteers and their answers.")] = 0,
) -> None:
    """Let a simulated crowd classify a subject set, and write what the Zooniverse would export."""
    be_brief()
    import pandas as pd

    from zooactive.foundation.errors import CatalogueError
    from zooactive.foundation.reading import check_regular
    from zooactive.foundation.writing import file_hash, write_how
    from zooactive.labels import load_wording
    from zooactive.labels.simulate import Crowd, write_export

    def read(path: Path, **options: object) -> pd.DataFrame:
        try:
            check_regular(path)
            return pd.read_csv(path, **options)  # type: ignore[call-overload, no-any-return]
        except (OSError, ValueError) as error:
            raise CatalogueError(f"{path} cannot be read as a table: {error}; give a .csv file") from error

    subjects = pd.concat([read(path, dtype=str, keep_default_na=False) for path in manifests], ignore_index=True)
    people = Crowd(volunteers=volunteers, skill=skill, bias=bias, seed=seed)
    known = read(truth, dtype={"id": str})
    given = write_export(out, subjects, known, load_wording(wording), crowd=people, votes=votes, seed=seed)
    table = truth.with_name("galaxies.csv")
    to = {"catalogue": table, "out": table.with_name("galaxies-2.csv")} if table.is_file() else {}
    options = {"votes": votes, "volunteers": volunteers, "skill": skill, "bias": bias, "seed": seed}
    hashes = {str(path): file_hash(path) for path in (*manifests, truth, wording)}
    write_how(out, command="simulate crowd", options=options, inputs=hashes)
    last_line(
        f"{votes * len(given)} classifications of {len(given)} galaxies: {out}",
        command_line(f"votes {shlex.quote(str(out))}", wording=wording, **to),
    )
