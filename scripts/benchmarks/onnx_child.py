"""One of the other runtimes on stdin's word: `onnx_child.py RUNTIME MODEL VOLUME Z,Y,X THREADS PRECISION LOGIT`.

Says how long loading took, then answers `run` with the milliseconds from the packed input to the logits and `mask FILE`
by writing labels (uint8, order z, y, x). Import, windowing and packing are not in the times; ours are with both.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from child import training_folder

sys.path.append(str(training_folder()))

import grid  # noqa: E402
from shape import INPUT  # noqa: E402

Run = Callable[[], np.ndarray]


def onnxruntime_run(model: str, volume: np.ndarray, threads: int, _precision: str) -> Run:
    """ONNX Runtime on its CPU provider."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {INPUT: volume})[0]


def openvino_run(model: str, volume: np.ndarray, threads: int, precision: str) -> Run:
    """OpenVINO's CPU plugin, compiled for just this shape."""
    core = openvino.Core()
    network = core.read_model(model)
    network.reshape(list(volume.shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = core.compile_model(network, "CPU", settings).create_infer_request()
    tensor = openvino.Tensor(volume, shared_memory=True)
    return lambda: request.infer([tensor])[0]


def say(answer: dict) -> None:
    """One line of JSON."""
    print(json.dumps(answer), flush=True)


def main(runtime: str, model: str, file: str, shape: str, threads: str, precision: str, logit: str) -> None:
    """Loads, then answers."""
    hu = np.fromfile(file, "<i2").reshape([int(edge) for edge in shape.split(",")])
    volume = grid.packed(grid.windowed(hu)).astype(np.float32)
    load = {"onnxruntime": onnxruntime_run, "openvino": openvino_run}[runtime]
    began = time.perf_counter()
    run = load(model, volume, int(threads), precision)
    say({"load_ms": 1000 * (time.perf_counter() - began)})
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        began = time.perf_counter()
        logits = run()
        took = 1000 * (time.perf_counter() - began)
        if word == "mask":
            labels = grid.unpacked(np.asarray(logits)) >= float(logit)
            labels.astype(np.uint8).tofile(rest)
            say({})
        else:
            say({"ms": took})


if __name__ == "__main__":
    if sys.argv[1] == "openvino":
        import openvino
    else:
        import onnxruntime
    main(*sys.argv[1:])
