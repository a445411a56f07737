"""How fast does zooactive train and predict on a GPU, what share of its arithmetic is that, and what does PyTorch reach?

    KERAS_BACKEND=jax python tests/benchmarks/bench_gpu.py [VARIANT ...]
    KERAS_BACKEND=jax python tests/benchmarks/bench_gpu.py tiny            on any machine: whether all of it runs

At 224 pixels, EfficientNet-B0 and -Lite0: images/s as `zooactive train` takes its steps, in float32 and mixed bfloat16,
where each step waits for the loss of the one before it and where none does; the same with the encoder's augmentation;
prediction from uint8 pixels in memory to features in memory. Beside it timm's B0 in PyTorch (channels last, autocast, as it
is and compiled), with the pixels on the card. The share is that of the dense bfloat16 peak (989 Tflop/s of an H100 or H200),
at 2 operations a multiplication of B0's 0.386 G (Tan & Le 2019), three times as many in training. For variants named
"profile" (``"train b0 mixed_bfloat16 128 profile"``) the kernels that take most time are printed as well. All variants
compile at once and are then timed one by one. Some six minutes; a limit put on it from outside leaves what was measured.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_speed import rate

TINY = "BENCH_TINY" in os.environ
SIZE, PEAK, IMAGES = (32, 989e12, 8) if TINY else (224, 989e12, 4096)
MULTIPLICATIONS = {"b0": 0.386e9, "lite0": 0.385e9}
VARIANTS = (
    "train b0 float32 64",
    "train b0 mixed_bfloat16 64",
    "train b0 mixed_bfloat16 128",
    "train lite0 mixed_bfloat16 128 views",
    "predict b0 float32 128",
    "predict b0 mixed_bfloat16 128",
    "torch b0 float32 128",
    "torch b0 mixed_bfloat16 128",
    "torch b0 mixed_bfloat16 128 compiled",
)
EVERY_KIND = (
    "train lite0 float32 4 views profile",
    "predict b0 mixed_bfloat16 4 profile",
    "torch b0 mixed_bfloat16 4 profile",
    "torch b0 float32 4 compiled",
)


def slowest(work: Callable[[], object], number: int = 8) -> dict[str, float]:
    """Return the kernels on which JAX spends most time, as shares, without the numbers in their names."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            work()
        events = json.loads(gzip.decompress(next(Path(folder).rglob("*.trace.json.gz")).read_bytes()))["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events if event.get("name") == "process_name"}
    on_cards = [event for event in events if "dur" in event and "device" in names.get(event["pid"], "")]
    spent: Counter[str] = Counter()
    for event in on_cards or [event for event in events if "hlo_op" in event.get("args", {})]:
        spent[re.sub(r"[._]*\d+", "", event["name"])] += event["dur"]
    total = sum(spent.values())
    return {name: time / total for name, time in spent.most_common(number)}


def training(backbone: str, precision: str, batch: int, words: list[str]) -> Iterator[dict[str, float]]:
    """Yield once when compiled, then the images/s of steps that wait and of steps that do not."""
    import keras

    import zooactive as za
    from zooactive.training.augmentation import Augmentation
    from zooactive.training.network import training_network
    from zooactive.training.optimiser import compile_training

    class Looker(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self, waits: bool) -> None:
            super().__init__()
            self.async_safe = not waits

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is None or np.isfinite(logs["loss"])

    augmentation = Augmentation(
        rotation="any", scale=(0.8, 1.2), shift=0.03, brightness=0.05, contrast=0.1, saturation=0.3, hue=0.02
    )
    augmentation = augmentation if "views" in words else Augmentation(rotation="none", flips=False)
    model = za.GalaxyModel(
        "gz2_kaggle", backbone=f"efficientnet_{backbone}", image_size=SIZE, crop=0.85, precision=precision
    )
    canvas = augmentation.canvas(model.preprocessing).size
    trainer = training_network(model, augmentation=augmentation)
    compile_training(trainer, model.tree, za.TrainingConfig(augmentation=augmentation), 1000)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (4 * batch, canvas, canvas, 3), dtype=np.uint8)
    votes = rng.integers(0, 9, (4 * batch, len(model.tree.columns))).astype(np.float32)

    def stream() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            rows = rng.permutation(len(pixels))[:batch]
            yield pixels[rows], votes[rows]

    steps = max(1, IMAGES // batch)

    def fit(waits: bool) -> None:
        trainer.fit(stream(), steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0, callbacks=[Looker(waits)])

    fit(True)
    yield {}
    fit(False)
    flow = stream()
    yield {
        "input": rate(lambda: next(flow), batch, 20),
        "waiting": rate(lambda: fit(True), steps * batch, 3),
        "not waiting": rate(lambda: fit(False), steps * batch, 3),
    }
    if "profile" in words:
        yield slowest(lambda: fit(False))


def predicting(backbone: str, precision: str, batch: int, words: list[str]) -> Iterator[dict[str, float]]:
    """Yield once when compiled, then images/s from uint8 to features."""
    import zooactive as za
    from zooactive.models.features import computation, prediction_network

    model = za.GalaxyModel("gz2_kaggle", backbone=f"efficientnet_{backbone}", image_size=SIZE, precision=precision)
    network = prediction_network(model.encoder)
    pixels = np.random.default_rng(0).integers(0, 255, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    compute = computation(network)
    np.asarray(compute(pixels))
    yield {}
    steps = max(1, 2 * IMAGES // batch)

    def one_by_one() -> None:
        for _ in range(steps):
            np.asarray(compute(pixels))

    def ahead() -> None:
        begun = None
        for _ in range(steps):
            before, begun = begun, compute(pixels)
            if before is not None:
                np.asarray(before)
        np.asarray(begun)

    yield {"waiting": rate(one_by_one, steps * batch, 3), "not waiting": rate(ahead, steps * batch, 3)}
    if "profile" in words:
        yield slowest(ahead)


def torch_rates(precision: str, batch: int, words: list[str]) -> Iterator[dict[str, float]]:
    """Yield once when warm, then timm's images/s, with the pixels on the card if there is one."""
    import timm
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    card = "cuda" if torch.cuda.is_available() else "cpu"
    wait = torch.cuda.synchronize if card == "cuda" else time.monotonic
    network = timm.create_model("efficientnet_b0", num_classes=37, drop_rate=0.2, drop_path_rate=0.2).to(card)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    how = "inductor" if card == "cuda" else "eager"  # C++ for a processor takes many minutes to compile
    learns: Any = torch.compile(network, backend=how) if "compiled" in words else network

    def describe(images: Any) -> Any:
        return network.forward_head(network.forward_features(images), pre_logits=True)

    describes: Any = torch.compile(describe, backend=how) if "compiled" in words else describe
    pixels = torch.rand((batch, 3, SIZE, SIZE), device=card).to(memory_format=torch.channels_last)
    truth = torch.full((batch, 37), 1 / 37, device=card)
    half = torch.autocast(card, dtype=torch.bfloat16, enabled=precision != "float32")

    def train() -> None:
        for _ in range(10):
            optimizer.zero_grad()
            with half:
                loss = torch.nn.functional.cross_entropy(learns(pixels), truth)
            loss.backward()
            optimizer.step()
        wait()

    def predict() -> None:
        with torch.inference_mode(), half:
            for _ in range(10):
                describes(pixels)
        wait()

    train()
    yield {}
    results = {"train": rate(train, 10 * batch)}
    shares = torch_slowest(train) if "profile" in words else {}
    network.eval()
    predict()
    yield results | {"predict": rate(predict, 10 * batch)}
    if shares:
        yield shares


def torch_slowest(work: Callable[[], object], number: int = 8) -> dict[str, float]:
    """Return the kernels on which PyTorch spends most time, as shares."""
    import torch

    with torch.profiler.profile() as profile:
        work()
    spent = {event.key: event.self_device_time_total or event.self_cpu_time_total for event in profile.key_averages()}
    total = sum(spent.values())
    return {name: time / total for name, time in Counter(spent).most_common(number)}


def variant(name: str) -> None:
    """Compile, say so, wait for a line and print the rates."""
    kind, backbone, precision, batch, *more = name.split()
    if kind == "train":
        rates = training(backbone, precision, int(batch), more)
    elif kind == "predict":
        rates = predicting(backbone, precision, int(batch), more)
    else:
        rates = torch_rates(precision, int(batch), more)
    began = time.perf_counter()
    next(rates)
    print(f"ready after {time.perf_counter() - began:.0f} s", flush=True)
    sys.stdin.readline()
    flops = 2 * MULTIPLICATIONS[backbone]
    for what, value in next(rates).items():
        if what == "input":
            print(f"    {name}: pipeline alone {value:.0f} images/s")
            continue
        passes = 3 if kind == "train" or what == "train" else 1
        share = value * flops * passes / PEAK
        print(f"    {name}, {what}: {value:.0f} images/s, {share:.2%} of the peak")
    for shares in rates:
        print(f"    {name}: time by kernel: {', '.join(f'{what} {value:.0%}' for what, value in shares.items())}")
    print("done", flush=True)


def main(names: list[str]) -> None:
    """Measure all variants: PyTorch's when the others have left the card's memory."""
    for of_torch in (False, True):
        one_by_one([name for name in names if name.startswith("torch") == of_torch])


def one_by_one(names: list[str]) -> None:
    """Start some variants together, wait until all have compiled, then let one after the other measure."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    running = {
        name: subprocess.Popen(
            [sys.executable, __file__, "variant", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in names
    }
    alive = {}
    for name, process in running.items():
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        print(f"{name}: {said or 'failed'}", flush=True)
        if said:
            alive[name] = process
    for process in alive.values():
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.strip() == "done":
                break
            print(line.rstrip(), flush=True)
        process.wait()


if __name__ == "__main__":
    given = sys.argv[1:]
    if given == ["tiny"]:
        os.environ["BENCH_TINY"] = "1"
        main(list(EVERY_KIND))
    elif given[:1] == ["variant"]:
        variant(given[1])
    else:
        main(given or list(VARIANTS))
