"""Write the workspace's model as a file that ONNX Runtime or LiteRT runs."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import OutputError, did_you_mean
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import NOTHING, Show
from zooactive.foundation.vocabulary import FORMS, Form
from zooactive.foundation.writing import write_how
from zooactive.models.holds import network_of
from zooactive.models.saved_form import config_of
from zooactive.workspace.options import Options
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import model_from

OPTIONS: Options = {"model": "model.folder"}


def convert(settings: Settings, *, to: Form | None = None, out: str | Path | None = None, progress: Show = NOTHING) -> Path:
    """Write the model into one file, by default ``model.onnx`` in the workspace.

    `to` is the format; by default it follows from the ending of `out`. Errors are raised before the network is loaded
    wherever this is possible.
    """
    from zooactive.models.convert import ENDINGS, form_of, require_packages
    from zooactive.models.convert import convert as write

    if to is not None and to not in FORMS:
        raise OutputError(f"there is no format '{to}'.{did_you_mean(to, FORMS)} Known are {', '.join(FORMS)}")
    file = settings.folder / f"model{ENDINGS[to or 'onnx']}" if out is None else Path(out)
    form = form_of(file)
    if to is not None and form != to:
        raise OutputError(f"the name {file} means {form}, but --to says {to}; end the name in {ENDINGS[to]}")
    require_packages(form)
    config_of(settings.model.folder)
    from zooactive.models import load_model

    made = Making("convert", {"model": model_from(settings.model.folder)})
    with progress("converting the model", 0):
        model = load_model(settings.model.folder)
        write(model, file)
    write_how(file, command="convert", options={"form": form}, inputs={"model": network_of(model).fingerprint()})
    made.done(file, outputs=[file, file.with_name(f"{file.name}.json")], counts={"models": 1})
    return file
