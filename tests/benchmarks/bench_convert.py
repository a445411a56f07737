"""How large are converted models, how far are their numbers from Keras', and how fast do they run beside it on two cores?

The bundled encoder, on real cutouts of the sample: Keras (the network that `predict` runs, with the head), ONNX Runtime and
LiteRT, batches of 1 and 32 in turn in one process, on two threads each, or on as many as the argument says. Images/s are
medians over the rounds, ratios medians of each round's own. Where others use the machine too, look at images per second of
CPU time on one thread: several threads wait busily, which counts. "asleep" is ONNX Runtime whose threads do not. Needs the
packages of `nox -s export`; three minutes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).resolve().parents[2] / "catalogs" / "samples" / "gz2_votes.parquet"
SHOWN, ROUNDS = 256, 10
THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
STEPS = {1: 20, 32: 3}  # batch -> steps of a round
Run = Callable[[np.ndarray], dict[str, np.ndarray]]


def by_onnx(path: Path, *, spinning: bool = True) -> Run:
    """Run an ONNX file; its threads wait busily for each other, or sleep."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = ["fractions", "embedding"]
    return lambda cutouts: dict(zip(names, session.run(names, {"cutouts": cutouts}), strict=True))


def by_litert(path: Path) -> Run:
    """Run a LiteRT file."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path), num_threads=THREADS).get_signature_runner()
    return lambda cutouts: runner(cutouts=cutouts)


def main() -> None:
    """Convert, compare, measure in turn, print a table."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import zooactive as za
    from zooactive.models import load_network
    from zooactive.models.convert import convert, network_with_outputs

    model = load_network("bundled")
    cutouts, _ = za.read_catalogue(SAMPLE, tree="gz2").decode(model.preprocessing, range(SHOWN))
    network = network_with_outputs(model)
    runs: dict[str, Run] = {"Keras": network.predict_on_batch}
    sizes, seconds = {"Keras": float("nan")}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, ending, run in (("ONNX", ".onnx", by_onnx), ("LiteRT", ".tflite", by_litert)):
            began = time.perf_counter()
            path = convert(model, Path(folder) / f"model{ending}")
            seconds[name] = time.perf_counter() - began
            sizes[name], runs[name] = path.stat().st_size / 1e6, run(path)
            if name == "ONNX":
                sizes["asleep"], runs["asleep"] = sizes[name], by_onnx(path, spinning=False)
        found = {name: run(cutouts) for name, run in runs.items()}
        rates: dict[tuple[str, int], list[float]] = {}
        thrift: dict[tuple[str, int], list[float]] = {}
        for turn in range(ROUNDS + 1):
            for batch, steps in STEPS.items():
                for name, goes in runs.items():
                    shown = cutouts[:batch]
                    goes(shown)  # LiteRT lays out its memory anew for another batch
                    began, worked = time.perf_counter(), time.process_time()
                    for _ in range(steps):
                        goes(shown)
                    took, work = time.perf_counter() - began, time.process_time() - worked
                    if turn > 0:  # compiling
                        rates.setdefault((name, batch), []).append(steps * batch / took)
                        thrift.setdefault((name, batch), []).append(steps * batch / work)
    largest = float(np.abs(found["Keras"]["embedding"]).max())
    print(f"{SHOWN} real cutouts of {model.preprocessing.size} px, {THREADS} threads, {os.cpu_count()} cores; ", end="")
    print(f"embeddings reach {largest:.2f}; seconds to convert: {seconds['ONNX']:.1f} ONNX, {seconds['LiteRT']:.1f} LiteRT")
    print("form    MB    fractions  embedding  images/s at 1     at 32         by CPU second at 1  at 32")
    for name in runs:
        off = [float(np.abs(found[name][key] - found["Keras"][key]).max()) for key in ("fractions", "embedding")]
        paces = []
        for measured, batch in ((measured, batch) for measured in (rates, thrift) for batch in STEPS):
            ratio = statistics.median(a / b for a, b in zip(measured[name, batch], measured["Keras", batch], strict=True))
            paces.append(f"{statistics.median(measured[name, batch]):6.1f} ({ratio:.2f})")
        print(f"{name:7} {sizes[name]:5.1f} {off[0]:9.1e}  {off[1]:9.1e}  {'  '.join(paces)}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
