"""Make the README's picture from a finished `zooactive demo`: ``python docs/pictures/make.py zooactive-demo``."""

from __future__ import annotations

import sys
from pathlib import Path

from zooactive import load_model, plots, predict
from zooactive.catalogue import Preprocessing
from zooactive.catalogue.images import decode
from zooactive.workspace.file import find_settings

GALAXY = "587742550145040402"  # a merger of the sample's test part


def main() -> None:
    """Predict one galaxy and draw its posteriors."""
    place = find_settings(sys.argv[1])
    one = place.read_originals().select([GALAXY])
    posterior = predict(load_model(place.model.folder), one)
    image = decode(one.images[0], Preprocessing(size=96), name=GALAXY)
    figure = plots.galaxy_posteriors(posterior, GALAXY, image=image, votes=one.votes[0])
    figure.savefig(Path(__file__).with_name("galaxy.png"), dpi=110)


if __name__ == "__main__":
    main()
