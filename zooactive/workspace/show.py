"""Show one galaxy: what volunteers would say about it, and what the network sees in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.catalogue import Catalogue
from zooactive.foundation.telling import Tell, silent
from zooactive.models.saved_form import config_of
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.embeddings import on_embeddings, read_given, with_recorded
from zooactive.workspace.options import Options
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel
    from zooactive.models.loading import AnyModel
    from zooactive.posterior import Posterior
    from zooactive.prediction import Embeddings

OPTIONS: Options = (
    EMBEDDING_OPTIONS | {"model": "model.folder"} | {name: f"survey.{name}" for name in ("id_column", "image_column")}
)


def show(
    settings: Settings,
    galaxy: str,
    *,
    catalogue: str | Path | None = None,
    images: str | Path | None = None,
    maps: str | Path | None = None,
    tell: Tell = silent,
) -> pd.DataFrame:
    """Predict what volunteers would say about one galaxy, which is an id of the workspace or an image file.

    `catalogue` is a table with the id; it replaces the workspace's. `images` is the folder of its images, or of the survey's
    images if no `catalogue` is given. `maps` is a picture file for the first filters and the galaxy's feature maps.
    """
    if catalogue is None:
        settings = settings.with_options(survey={"images": images})
    else:
        settings = settings.with_options(pool={"catalogue": catalogue, "images": images})
    config_of(settings.model.folder)
    settings = with_recorded(settings, settings.model.folder)
    known = on_embeddings(settings, settings.model.folder)
    one = _embedding_of(galaxy, settings) if known else _find(galaxy, settings)
    from zooactive.models import load_model
    from zooactive.models.holds import network_with_images
    from zooactive.prediction import predict

    network = load_model(settings.model.folder)
    posterior = predict(network, one, draws=settings.pool.draws, seed=settings.pool.seed, progress=None)
    voted, votes = getattr(one, "voted", None), None
    if voted is not None and voted.some[0] and voted.tree.columns == network.tree.columns:
        votes = voted.votes[0]
    table = answer_table(posterior, votes)
    if maps is not None:
        shown = network_with_images(network)
        assert isinstance(one, Catalogue)
        _draw_maps(shown, one, Path(maps))
        tell(f"First filters and feature maps: {maps}")
    table.attrs |= {"draws": posterior.draws, "by_embeddings": known, "sees": _seen(network)}
    return table


def _seen(network: AnyModel) -> str | None:
    """Return which bands the network sees and what was done to its first layer; None for colour and grey images."""
    stem = getattr(network, "stem", None)
    how = network.preprocessing
    return None if how.listed is None else f"It sees {how.channels_told}" + (f"; {stem}" if stem else "")


def _embedding_of(galaxy: str, settings: Settings) -> Embeddings:
    """Return the embedding of one galaxy; raise a CatalogueError if there is none."""
    from zooactive.prediction.embeddings import only_of

    found = read_given(settings)
    return found.take(only_of(found, [galaxy], "the command line"))


def _find(galaxy: str, settings: Settings) -> Catalogue:
    from zooactive.catalogue.image_files import IMAGE_SUFFIXES
    from zooactive.catalogue.reading import single_image
    from zooactive.foundation.errors import CatalogueError

    if Path(galaxy).is_file():
        return single_image(galaxy)
    if Path(galaxy).suffix.lower() in IMAGE_SUFFIXES:
        raise CatalogueError(f"there is no image file {galaxy}; check its path, or give a galaxy's id")
    if settings.survey.catalogue is None and settings.pool.catalogue is None:
        raise CatalogueError(
            f"'{galaxy}' is not an image file, and no catalogue is named in which it could be an id; "
            "give a file, or --catalogue, or run this in a workspace"
        )
    if settings.pool.catalogue is not None:
        pool = settings.read_pool()
        if galaxy in set(pool.ids):
            return pool.select([galaxy])
    return (settings.read_survey() if settings.survey.catalogue is not None else settings.read_pool()).select([galaxy])


def _draw_maps(network: GalaxyModel, one: Catalogue, path: Path) -> None:
    """Draw what the network looks for, and what it finds in one galaxy."""
    from zooactive.catalogue.bands import in_colour
    from zooactive.foundation.writing import aside
    from zooactive.models import feature_maps, first_filters
    from zooactive.report.plots import network_view

    pixels = one.decode(network.preprocessing)[0][0]
    figure = network_view(
        first_filters(network),
        feature_maps(network, pixels),
        image=in_colour(pixels, network.preprocessing.listed),
        title=str(one.ids[0]),
        channels=network.preprocessing.channel_names,
    )
    with aside(path) as temporary:
        figure.savefig(temporary, dpi=150, format=path.suffix[1:].lower())


def answer_table(posterior: Posterior, votes: object | None = None) -> pd.DataFrame:
    """Return one galaxy's answers as rows: question, asked, answer, fraction, low, high and, if there are any, votes."""
    import numpy as np
    import pandas as pd

    tree = posterior.tree
    mean, interval, asked = posterior.mean()[0], posterior.interval(0.9)[0], posterior.asked()[0]
    table = pd.DataFrame(
        {
            "question": [tree.questions[q].name.removesuffix(tree.suffix) for q in tree.question_index],
            "asked": asked[tree.question_index],
            "answer": [answer for question in tree.questions for answer in question.answers],
            "fraction": mean,
            "low": interval[:, 0],
            "high": interval[:, 1],
        }
    )
    if votes is not None:
        table["votes"] = np.asarray(votes)
    return table
