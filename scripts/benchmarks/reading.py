"""A folder of 300 uncompressed slices: what others need to read it, and we from it to the finding."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from child import output_of

HERE = Path(__file__).resolve().parent
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True)
class ReadFigures:
    """Milliseconds of each round; `made_cold` says how the cache was emptied."""

    slices: int
    cold: dict[str, list[float]]
    warm: dict[str, list[float]]
    made_cold: str


def measure(program: Path, model: Path, slices: int, rounds: int, drop_all: bool, tell: Callable[[str], None], scratch: Path) -> ReadFigures:
    """Round by round, each reader cold and then warm."""
    folder = scratch / "slices"
    tell(f"read: drawing a phantom of {slices} slices")
    output_of([program, "phantom", "--out", folder, "--slices", str(slices)])
    (folder / "phantom.txt").unlink()
    os.sync()
    readers = {
        "pydicom": lambda: _other("pydicom", folder),
        "simpleitk": lambda: _other("simpleitk", folder),
        "scanward": lambda: _ours(program, model, folder),
    }
    cold = {name: [] for name in readers}
    warm = {name: [] for name in readers}
    made_cold = ""
    for number in range(rounds):
        tell(f"read: round {number + 1} of {rounds}")
        for name, read in readers.items():
            made_cold = _make_cold(folder, drop_all)
            cold[name].append(read())
            warm[name].append(read())
    return ReadFigures(slices, cold, warm, made_cold)


def _other(library: str, folder: Path) -> float:
    found = json.loads(output_of([sys.executable, HERE / "read_child.py", library, folder]))
    if found["shape"][0] != len(list(folder.glob("*.dcm"))):
        raise RuntimeError(f"{library} read {found['shape'][0]} slices only")
    return found["ms"]


def _ours(program: Path, model: Path, folder: Path) -> float:
    """The whole process, from its start to its end."""
    began = time.perf_counter()
    text = output_of([program, "analyze", "--json", "--model", model, folder])
    took = 1000 * (time.perf_counter() - began)
    if json.loads(text)["outcome"] != "triaged":
        raise RuntimeError(f"scanward did not triage the phantom: {text}")
    return took


def _make_cold(folder: Path, drop_all: bool) -> str:
    """Takes the folder out of the page cache: all caches where that is allowed, else its files."""
    if drop_all:
        try:
            DROP_CACHES.write_text("3", encoding="ascii")
            return "all of the kernel's caches dropped (`drop_caches`)"
        except OSError:
            pass
    for file in folder.iterdir():
        handle = os.open(file, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return "its files taken out of the page cache (`posix_fadvise`)"
