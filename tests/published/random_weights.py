"""Networks of timm with random weights: for the proof in `test_timm` and for tests/benchmarks/bench_published.py."""

from __future__ import annotations

import importlib
from typing import Any


def random_network(architecture: str, channels: int = 3) -> Any:
    """Return a network of timm without classifier, with random weights and statistics.

    No two weights can be mistaken for each other, and the features stay about one.
    """
    torch, timm = importlib.import_module("torch"), importlib.import_module("timm")
    torch.manual_seed(0)
    network = timm.create_model(architecture, pretrained=False, num_classes=0, in_chans=channels)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("gamma"):  # of a fresh ConvNeXt next to nothing
                torch.nn.init.uniform_(weight, 0.2, 0.6)
            elif weight.ndim == 1 and name.endswith("weight"):
                torch.nn.init.uniform_(weight, 0.6, 1.4)
            elif weight.ndim == 1:
                torch.nn.init.normal_(weight, 0, 0.3)
        for norm in norms:
            norm.momentum = 1
        network.train()(torch.rand(16, channels, 64, 64))
        for norm in norms:
            norm.running_var += norm.running_mean**2
            norm.running_var *= 0.7 + 0.7 * torch.rand_like(norm.bias)
            norm.running_mean *= torch.rand_like(norm.bias)
    return network.eval()
