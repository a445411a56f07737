"""How the three files beside this one were made: ``python make.py``, with torch 2.14.1. The tests read them without torch.

`arrays` are the numbers in them, and need no torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def arrays() -> dict[str, np.ndarray]:
    """The arrays that each file holds, by name."""
    table = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    return {
        "conv.weight": table,
        "conv.transposed": table.T,
        "conv.part": table[1:3, 2:5],
        "conv.steps": table[::2, ::3],
        "norm.half": np.array([0.5, -2, np.inf, np.nan], np.float16),
        "norm.bfloat16": np.array([[1, -3.140625], [2.0**-120, np.inf]], np.float32),  # as they are in bfloat16, bit by bit
        "norm.double": np.array([np.pi]),
        "norm.num_batches_tracked": np.array(7),
        "mask": np.array([True, False]),
        "wide": np.array([0, 65535], np.uint16),
        "none": np.zeros((0, 5), np.float32),
    }


def main() -> None:
    """Write the three files."""
    import argparse
    import functools
    import pathlib

    import torch

    held = {key: torch.from_numpy(array.copy()) for key, array in arrays().items()}
    table = held["conv.weight"]
    held |= {"conv.transposed": table.t(), "conv.part": table[1:3, 2:5], "conv.steps": table[::2, ::3]}
    held |= {"norm.bfloat16": held["norm.bfloat16"].bfloat16(), "norm.double": torch.nn.Parameter(held["norm.double"])}
    torch.save(held, HERE / "views.pth")
    torch.save(held, HERE / "before_zip.pt", _use_new_zipfile_serialization=False)
    settings = argparse.Namespace(
        lr=1e-3,
        folder=pathlib.PurePosixPath("/data"),
        act=functools.partial(max, 1),
        score=np.float64(0.5),
        of=torch.nn.Conv2d,
    )
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.999), "params": [0]}]}
    checkpoint = {"epoch": 3, "state_dict": held, "hyper_parameters": settings, "optimizer_states": [optimizer]}
    torch.save(checkpoint | {"callbacks": {"best": {"score": np.arange(3)}}, "seen": {1, 2}}, HERE / "lightning.ckpt")


if __name__ == "__main__":
    main()
