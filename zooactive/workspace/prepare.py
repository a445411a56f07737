"""Check a survey's rows and images, and pack the images at the size that its model sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import predicted, start_of
from zooactive.workspace.told import failures_told

if TYPE_CHECKING:
    from zooactive.catalogue.shards import ShardsResult

OPTIONS: Options = (
    options_of("survey", Survey)
    | {"out": "survey.shards"}
    | {name: f"model.{name}" for name in ("image_size", "bands", "stretch")}
)


def prepare(
    settings: Settings,
    *,
    max_failures: int | None = None,
    retry_failures: bool = False,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> ShardsResult:
    """Check every row and image of the survey, and pack them into Parquet shards.

    The job stops when more than `max_failures` images cannot be read. `retry_failures` reads all images again that failed
    before.
    """
    from zooactive.catalogue.set_aside import SET_ASIDE_FILE, write_set_aside
    from zooactive.catalogue.shards import write_shards
    from zooactive.foundation.writing import file_hash, make_folder, write_how

    survey, shards = settings.read_originals(), settings.survey.shards
    given = {"catalogue": settings.survey.catalogue, "images": settings.survey.images}
    made = Making("prepare", given | {"tree": start_of(settings.survey.tree)})
    make_folder(shards)
    with progress("packing", len(survey)) as done:
        result = write_shards(
            survey,
            shards,
            settings.packed_pixels(),
            max_failures=max_failures,
            retry_failures=retry_failures,
            progress=done,
        )
    source = Path(str(settings.survey.catalogue))
    inputs = {str(source): file_hash(source)} if source.is_file() else {}
    write_how(shards, command="prepare", options=settings.shards_record(), inputs=inputs)
    if listed := write_set_aside(survey.set_aside, shards / SET_ASIDE_FILE):
        tell(listed)
    failed = result.failed()
    if failed.number:
        again = "run the same command with --retry-failures"
        tell(failures_told(failed, result.failures, settings.survey.max_failed, again))
    predicted(made, shards, failed, result.failures, settings)
    return result
