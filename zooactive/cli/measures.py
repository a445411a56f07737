"""Tables of metrics and what they mean, as `finetune` and `evaluate` print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.head.number_head import NumberHead
    from zooactive.training.finetuning.number_tasks import NumberTask


def numbers_told(task: NumberTask, head: NumberHead | None = None) -> str:
    """Return a line that explains the metrics of numbers and, for a head, the noise that it has learnt."""
    far = "|dz| / (1 + z) > 0.15" if task.redshift else "a difference of more than 3 sigma_NMAD"
    relative = " of dz / (1 + z)" if task.redshift else ""
    text = f"numbers are in the unit of '{task.column}', with bias and scatter (sigma_NMAD){relative}; an outlier is {far}"
    if head is None:
        return text
    noise = "is the same for all galaxies" if head.constant else "depends on the features"
    return f"{text}; the noise of the labels {noise}, and {head.share:.1%} of the labels are taken for outliers"


def measured(metrics: dict[str, float], galaxies: int) -> pd.DataFrame:
    """Return one row per metric, with its interval; values are blank for a single galaxy."""
    import pandas as pd

    names = [name for name in metrics if not name.endswith(("_low", "_high"))]
    ends = [(metrics.get(f"{name}_low", float("nan")), metrics.get(f"{name}_high", float("nan"))) for name in names]
    several = galaxies > 1
    return pd.DataFrame(
        {
            "metric": [name.replace("_", " ") for name in names],
            "value": [metrics[name] if several else float("nan") for name in names],
            "95%": [f"{low:.3f} to {high:.3f}" if several and low == low else "-" for low, high in ends],
        }
    )
