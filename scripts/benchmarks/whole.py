"""The whole way, from slices to the broker: `scanward bench`, its figures put together."""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from child import output_of

INTERVAL_MS = 10
"""Time between two slices: a hundred a second, faster than scanners reconstruct."""


@dataclass(frozen=True)
class WholeFigures:
    """What `scanward bench` found: one entry a series, and series at once."""

    series: list[dict]
    queue: list[dict]
    engine: str
    broker: str

    def pooled(self, key: str) -> list[float]:
        """The samples of all series, ms."""
        return [sample for one in self.series for sample in one[key]["all"]]

    @property
    def phantom(self) -> dict:
        """The series of 300 slices of 512 × 512: the one whose memory is bounded."""
        return self.series[-1]

    @property
    def peak_rss_mb(self) -> float:
        """The most memory of the service over all of the phantom's series."""
        return self.phantom["peak_kib"] * 1024 / 1e6

    @property
    def idle_rss_mb(self) -> float:
        """The most that an idle service held, before or after."""
        return max(max(one["idle_before_kib"], one["idle_after_kib"]) for one in self.series) * 1024 / 1e6

    @property
    def idle_percent(self) -> float:
        """Of one core, the median over the services."""
        return statistics.median(one["idle_percent_of_one_core"] for one in self.series)


@dataclass(frozen=True)
class Size:
    """The program's file; `which` says whose build it is."""

    megabytes: float
    which: str


def percentile(samples: list[float], percent: int) -> float:
    """The nearest rank, as `scanward bench` does it."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def measure(
    program: Path, model: Path, series: list[Path], repeats: int, queue: tuple[int, ...], tell: Callable[[str], None], scratch: Path
) -> WholeFigures:
    """Runs `scanward bench`, whose own tables go to the terminal."""
    tell(f"chain: {repeats} repeats of {len(series) + 1} series, then {' and '.join(map(str, queue))} at once")
    file = scratch / "bench.json"
    command = [program, "bench", *series, "--phantom", 300, "--repeats", repeats, "--interval", INTERVAL_MS]
    command += ["--queue", ",".join(map(str, queue)), "--json", file, "--model", model]
    print(output_of(command), flush=True)
    found = json.loads(file.read_text(encoding="utf-8"))
    return WholeFigures(found["series"], found["queue"], found["engine"], found["broker"])


def arrivals(program: Path, tell: Callable[[str], None]) -> str:
    """The table of `scanward bench-arrivals`, empty where this scanward has no such command."""
    if "bench-arrivals" not in output_of([program, "--help"]):
        return ""
    tell("arrivals: simulated")
    return output_of([program, "bench-arrivals"])


def size(root: Path, program: Path) -> Size:
    """The appliance build where there is one: that is what boxes get."""
    appliance = root / "target" / "appliance" / "scanward"
    if appliance.is_file():
        return Size(appliance.stat().st_size / 1e6, "the appliance build")
    return Size(program.stat().st_size / 1e6, "the measured build; no appliance build is at hand")
