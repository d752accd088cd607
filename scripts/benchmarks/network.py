"""The network alone: every runtime on the same file and the same lungs, one after the other, round by round."""

import math
import shutil
import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from child import Child, output_of, training_folder
from float_file import write_float

sys.path.append(str(training_folder()))

import grid  # noqa: E402
from data import lesion_cases  # noqa: E402

HERE = Path(__file__).resolve().parent
CASE = "coronacases-005"
"""A real series whose lungs fill a million voxels of the model's grid."""

RUNS = 3
"""Of each setting in a round at least, one after the other: the first finds the caches full of somebody else's numbers."""

TURN_SECONDS = 0.15
"""And as many as fit in here: the fast settings get no less of the machine's quiet moments than the slow ones."""

REST_SECONDS = 0.03
"""Thread pools spin for a while after a run; the next one is not to pay for it."""


@dataclass
class Contestant:
    """One runtime in one setting, and what was measured of it. Times in ms, peaks in GMAC/s."""

    name: str
    runtime: str
    precision: str
    threads: int
    command: list[str]
    warm: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    agreement: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """As it stands in tables."""
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class NetworkFigures:
    """Everything of this part.

    `gmac` is what the network's shape asks for and the others do; `gmac_done` is what ours does: it leaves out blocks of
    weights that are zero, and fills the last vector of some layers.
    """

    contestants: list[Contestant]
    shape: list[int]
    gmac: float
    gmac_done: float
    isa: str
    machine: dict
    layers: list[dict]
    peak_gmacs: float
    peak_gmacs_two: float
    rounds: int
    seconds: float

    def best(self, runtime: str, threads: int = 1) -> Contestant | None:
        """The fastest setting of a runtime."""
        fits = [each for each in self.contestants if each.runtime == runtime and each.threads == threads]
        return min(fits, key=lambda each: min(each.warm), default=None)

    def gmac_of(self, contestant: Contestant) -> float:
        """What a runtime multiplies in one run."""
        return self.gmac_done if contestant.runtime == "scanward" else self.gmac


@dataclass(frozen=True)
class Ground:
    """What all runtimes get: the model's folder, its float twin, the volume."""

    program: Path
    tract: Path
    model: Path
    int8: Path
    floats: Path
    volume: Path
    shape: str
    logit: float


def ground(program: Path, tract: Path, model: Path, data: Path, scratch: Path) -> Ground:
    """Writes the volume and the float file into `scratch`."""
    manifest_file = next(model.glob("*.toml"))
    text = manifest_file.read_text(encoding="utf-8")
    manifest = tomllib.loads(text)
    int8, volume = model / manifest["file"], scratch / "volume.i16"
    (lungs,) = (case.hu for case in lesion_cases(data) if case.name == CASE)
    hu = grid.padded(lungs)
    hu.astype("<i2").tofile(volume)
    shape = ",".join(map(str, hu.shape))
    floats = scratch / "float"
    floats.mkdir()
    write_float(int8, floats / manifest["file"])
    digest = output_of(["sha256sum", floats / manifest["file"]]).split()[0]
    (floats / manifest_file.name).write_text(text.replace(manifest["digest"], f"sha256:{digest}"), encoding="utf-8")
    threshold = manifest["output"]["threshold"]
    return Ground(program, tract, model, int8, floats, volume, shape, math.log(threshold / (1 - threshold)))


def contestants(at: Ground) -> list[Contestant]:
    """Every runtime in every setting; tract knows one thread only."""

    def ours(name: str, runtime: str, precision: str, engine: str, model: Path, threads: int) -> Contestant:
        command = [at.program if engine == "int8" else at.tract, "bench-network", at.volume, "--shape", at.shape, "--threads", threads]
        command += ["--engine", engine, "--model", model]
        return Contestant(name, runtime, precision, threads, [str(part) for part in command])

    def other(name: str, runtime: str, precision: str, model: Path, hint: str, threads: int) -> Contestant:
        command = [sys.executable, HERE / "onnx_child.py", runtime, model, at.volume, at.shape, threads, hint, at.logit]
        return Contestant(name, runtime, precision, threads, [str(part) for part in command])

    floats = at.floats / at.int8.name
    both = []
    for threads in (1, 2):
        both += [
            ours("scanward", "scanward", "int8", "int8", at.model, threads),
            other("ONNX Runtime, int8 file", "onnxruntime", "int8", at.int8, "-", threads),
            other("ONNX Runtime, float file", "onnxruntime", "f32", floats, "-", threads),
            other("OpenVINO, int8 file, f32 hint", "openvino", "int8", at.int8, "f32", threads),
            other("OpenVINO, int8 file, bf16 hint", "openvino", "int8", at.int8, "bf16", threads),
            other("OpenVINO, float file, f32 hint", "openvino", "f32", floats, "f32", threads),
            other("OpenVINO, float file, bf16 hint", "openvino", "bf16", floats, "bf16", threads),
        ]
    return [
        *both,
        ours("tract, int8 file", "tract", "int8", "tract", at.model, 1),
        ours("tract, float file", "tract", "f32", "tract", at.floats, 1),
    ]


def measure(at: Ground, rounds: int, colds: int, tell: Callable[[str], None], scratch: Path) -> NetworkFigures:
    """All of it. Only one runtime works at a time; the machine's peak is looked for before and after each run."""
    began = time.monotonic()
    everybody = contestants(at)
    tell(f"network: loading {len(everybody)} settings")
    children = {id(each): Child(each.command) for each in everybody}
    meters = {threads: children[id(_ours(everybody, threads))] for threads in (1, 2)}
    for each in everybody:
        children[id(each)].run_ms()
    for number in range(rounds):
        tell(f"network: round {number + 1} of {rounds}")
        for each in everybody:
            before = meters[each.threads].ask("peak")["gmacs"]
            runs = _turn(children[id(each)])
            each.warm += runs
            time.sleep(REST_SECONDS)
            after = meters[each.threads].ask("peak")["gmacs"]
            each.peaks += [max(before or 0, after or 0)] * len(runs)
    tell("network: masks")
    _agreements(everybody, children, scratch)
    layers = meters[1].ask("layers")["layers"]
    facts = meters[1].loaded
    for child in children.values():
        child.close()
    for number in range(colds):
        tell(f"network: cold start {number + 1} of {colds}")
        for each in everybody:
            child = Child(each.command)
            each.cold.append(child.loaded["load_ms"] + child.run_ms())
            child.close()
    peaks = {threads: [peak for each in everybody if each.threads == threads for peak in each.peaks] for threads in (1, 2)}
    return NetworkFigures(
        contestants=everybody,
        shape=[int(edge) for edge in at.shape.split(",")],
        gmac=sum(layer["macs"] for layer in layers) / 1e9,
        gmac_done=sum(layer["macs_done"] for layer in layers) / 1e9,
        isa=facts["isa"],
        machine=facts,
        layers=layers,
        peak_gmacs=statistics.median(peaks[1]),
        peak_gmacs_two=statistics.median(peaks[2]),
        rounds=rounds,
        seconds=time.monotonic() - began,
    )


def _turn(child: Child) -> list[float]:
    """Milliseconds of each run of one turn."""
    began, runs = time.monotonic(), []
    while len(runs) < RUNS or time.monotonic() - began < TURN_SECONDS:
        runs.append(child.run_ms())
    return runs


def _ours(everybody: list[Contestant], threads: int) -> Contestant:
    return next(each for each in everybody if each.runtime == "scanward" and each.threads == threads)


def _agreements(everybody: list[Contestant], children: dict[int, Child], scratch: Path) -> None:
    """How many voxels have the same label as with ONNX Runtime on the int8 and on the float file."""
    masks = {}
    for each in everybody:
        file = scratch / "mask.u8"
        children[id(each)].ask(f"mask {file}")
        masks[id(each)] = np.fromfile(file, np.uint8)
    for precision in ("int8", "f32"):
        reference = next(each for each in everybody if (each.runtime, each.precision, each.threads) == ("onnxruntime", precision, 1))
        for each in everybody:
            each.agreement[precision] = float(np.mean(masks[id(each)] == masks[id(reference)]))


def clear(scratch: Path) -> None:
    """Removes what this part wrote."""
    shutil.rmtree(scratch / "float", ignore_errors=True)
