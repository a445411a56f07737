"""What torch itself saves, in every form and protocol, against what is read without it; for `nox -s timm`."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooactive.models.published.state import read_state

torch = pytest.importorskip("torch", reason="torch is not installed; nox -s timm installs it")

FORMS = {f"zip, protocol {protocol}": {"pickle_protocol": protocol} for protocol in (2, 3, 4, 5)}
FORMS["before the zip"] = {"_use_new_zipfile_serialization": False}


def tensors() -> dict[str, Any]:
    """Of every kind of number, and views of many kinds."""
    torch.manual_seed(0)
    table = torch.randn(4, 6)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(3, 2))
    whole = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
    marked = torch.nn.Parameter(torch.ones(2))
    marked.mark = "an attribute"
    return {
        **network.state_dict(),
        **{kind: torch.arange(3).to(getattr(torch, kind)) for kind in whole},
        **{kind: torch.randn(3, 2).to(getattr(torch, kind)) for kind in ("float64", "float16", "bfloat16")},
        **{"transposed": table.t(), "part": table[1:3, 2:5], "steps": table[::2, ::3], "same": table},
        **{"half.transposed": table.half().t(), "bfloat16.transposed": table.bfloat16().t()},
        **{"scalar": torch.tensor(3.5), "none": torch.empty(0, 5), "odd": torch.tensor([np.nan, np.inf, -0.0, 1e-45])},
        **{"permuted": torch.randn(2, 3, 4).permute(2, 0, 1), "parameter": torch.nn.Parameter(table.t()), "marked": marked},
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }


def checkpoint(held: dict[str, Any]) -> dict[str, Any]:
    """As PyTorch Lightning's, with settings of many kinds, one of them in itself."""
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimizer.step()
    settings = argparse.Namespace(
        folder=Path("/data"), act=functools.partial(torch.nn.functional.relu, inplace=False), score=np.float64(0.5),
        table=np.arange(3), kind=torch.float16, device=torch.device("cpu"), size=torch.Size([1, 2]), of=torch.nn.Conv2d,
        names={"a"}, frozen=frozenset("ab"), raw=b"raw", mutable=bytearray(b"x"), by={(1, 2): 3}, large=2**70,
        network=network,
    )  # fmt: skip
    settings.own = [settings]
    return {
        **{"epoch": 3, "state_dict": held, "optimizer_states": [optimizer.state_dict()], "hyper_parameters": settings},
        "callbacks": {"best": {"path": Path("a"), "score": torch.tensor(0.2), "of": np.float32(0.3)}},
    }


@pytest.mark.parametrize("wrap", [dict, checkpoint], ids=["state", "checkpoint"])
@pytest.mark.parametrize("form", FORMS)
def test_what_torch_saves_is_read_bit_by_bit(tmp_path, form, wrap):
    held = tensors()
    torch.save(wrap(held), tmp_path / "weights", **FORMS[form])
    found = read_state(tmp_path / "weights")
    assert list(found) == list(held)
    for name, tensor in held.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape), name
        assert found[name].tobytes() == expected.tobytes(), name
