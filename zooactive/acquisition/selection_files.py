"""A selection on disk: CSV for people, Parquet for programs, and a record of how it was made."""

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
    """Write a selection as CSV, as Parquet next to it, and a record of how it was made.

    Parameters
    ----------
    selection : DataFrame
        The result of `zooactive.acquire`, or the plan of `zooactive.allocate`.
    path : path
        The path of the CSV file. The Parquet file has the same name with ``.parquet``.
    options, inputs : mapping
        The options, and the hashes of the inputs. The selection's ``attrs`` are also written.
    command : str
        The command that made the selection.

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
    with aside(path) as temporary:  # last, because a loop takes an existing CSV as complete
        write_csv(selection, temporary)


def read_selection(path: str | Path) -> pd.DataFrame:
    """Read a selection that `write_selection` wrote; ids are text.

    Raises
    ------
    AcquisitionError
        When there is no selection at the path.
    """
    import pandas as pd

    from zooactive.foundation.whole_numbers import keep_whole_numbers

    path = Path(path)
    how_of(path)  # raises an error for a newer version
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
        what = "is blank, occurs twice, or holds a control character"
        raise AcquisitionError(f"{path}, row {row + 1}: the id '{ids.iloc[row]}' {what}; select again")
    return selection


def read_plan(path: str | Path) -> pd.DataFrame:
    """Read a plan of `zooactive.allocate` that `write_selection` wrote; ids are text.

    Raises
    ------
    AcquisitionError
        When there is no plan at the path, or it has an invalid number of volunteers.
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
            f"{path}, row {int(wrong.to_numpy().argmax()) + 1}: a number of volunteers is not a whole number from 0; "
            "allocate again"
        )
    return plan.assign(**numbers.astype("int64"))
