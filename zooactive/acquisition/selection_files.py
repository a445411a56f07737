"""A selection on disk: CSV for people, Parquet for programs, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.metadata import write_result
from zooactive.foundation.spelling import control_in, read_csv, write_csv
from zooactive.foundation.writing import aside, how_of, write_how

if TYPE_CHECKING:
    import pandas as pd


def write_selection(
    selection: pd.DataFrame,
    path: str | Path,
    *,
    options: Mapping[str, Any],
    inputs: Mapping[str, str],
    command: str = "acquire",
) -> None:
    """Write a selection as CSV, as Parquet beside it, and how it was made.

    Parameters
    ----------
    selection : DataFrame
        Of `zooactive.acquire`, or the plan of `zooactive.allocate`.
    path : path
        Of the CSV; the Parquet file has the same name with ``.parquet``.
    options, inputs : mapping
        What it was made with, and the hashes of what it was made from; the selection's ``attrs`` are written too.
    command : str
        What made it.

    Raises
    ------
    AcquisitionError
        When the path does not end in ``.csv``.
    """
    path = Path(path)
    if path.suffix != ".csv":
        raise AcquisitionError(f"the selection cannot be written to {path}; give a name that ends in .csv")
    with aside(path.with_suffix(".parquet")) as temporary:
        write_result(selection, temporary, kind=command)
    write_how(
        path,
        command=command,
        options=dict(options) | {str(key): value for key, value in selection.attrs.items()},
        inputs=inputs,
    )
    with aside(path) as temporary:  # last: a loop takes what it finds there for a selection that is written
        write_csv(selection, temporary)


def read_selection(path: str | Path) -> pd.DataFrame:
    """Read what `write_selection` wrote; ids are text.

    Raises
    ------
    AcquisitionError
        When there is no selection at the path.
    """
    import pandas as pd

    from zooactive.foundation.whole_numbers import keep_whole_numbers

    path = Path(path)
    how_of(path)  # refuses that of a newer version
    try:
        selection = read_csv(path)
        keep_whole_numbers(selection, path, but="id")
        selection[["score", "rank", "inclusion_probability"]].apply(pd.to_numeric)
        ids, _ = selection["id"].str.strip(), selection["arm"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AcquisitionError(f"{path} holds no selection; make one with `zooactive acquire`") from error
    doubtful = (ids == "") | ids.duplicated() | ids.map(lambda name: control_in(name) is not None).astype(bool)
    if doubtful.any():
        row = int(doubtful.to_numpy().argmax())
        what = "is blank or there twice, or holds a control character"
        raise AcquisitionError(f"{path}, row {row + 1}: the id '{ids.iloc[row]}' {what}; select again")
    return selection


def read_plan(path: str | Path) -> pd.DataFrame:
    """Read the plan of `zooactive.allocate` that `write_selection` wrote; ids are text.

    Raises
    ------
    AcquisitionError
        When there is no plan at the path, or a number of volunteers in it is none.
    """
    import pandas as pd

    path = Path(path)
    how_of(path)
    try:
        plan = read_csv(path)
        numbers = plan[["received", "more", "stop_at"]].apply(pd.to_numeric)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AcquisitionError(f"{path} holds no plan; make one with `zooactive allocate`") from error
    wrong = ((numbers < 0) | (numbers % 1 != 0) | numbers.isna()).any(axis=1)
    if wrong.any():
        raise AcquisitionError(
            f"{path}, row {int(wrong.to_numpy().argmax()) + 1}: a number of volunteers is none; allocate again"
        )
    return plan.assign(**numbers.astype("int64"))
