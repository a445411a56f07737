"""Make the front page's picture, of a galaxy that the bundled encoder never saw: ``python docs/pictures/front.py``."""

from __future__ import annotations

from pathlib import Path

import zooactive as za
from zooactive.catalogue.images import decode
from zooactive.foundation.catalogs import catalogs_folder

GALAXY = "587732154179452963"  # the first spiral of the bundled sample


def main() -> None:
    """Predict one galaxy and draw two of its questions, with the volunteers' votes."""
    galaxies = za.read_catalogue(catalogs_folder() / "samples" / "gz2_votes.parquet", tree="gz2").select([GALAXY])
    everything = za.predict(za.load_model("bundled"), galaxies.without_votes(), seed=0)
    tree = za.load_tree("gz2_kaggle")
    posterior = za.Posterior(everything.concentrations[:, :, : len(tree.columns)], everything.ids, tree)
    recorded = dict(zip((name.replace("-gz2", "") for name in galaxies.tree.columns), galaxies.votes[0], strict=True))
    figure = za.plots.galaxy_posteriors(
        posterior,
        GALAXY,
        image=decode(galaxies.images[0], za.Preprocessing(size=96), name=GALAXY),
        votes=[recorded.get(name, 0) for name in tree.columns],
        questions=["smooth-or-featured", "has-spiral-arms"],
    )
    figure.savefig(Path(__file__).with_name("front.png"), dpi=110)


if __name__ == "__main__":
    main()
