"""Measures scanward beside other software in one run: `peers.py --help`. Started by `scripts/bench-peers`."""

import argparse
import datetime
import json
import platform
import tempfile
from importlib import metadata
from pathlib import Path

import network
import plot
import reading
import report
import whole
from child import output_of
from figures import Figures, Machine

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("onnxruntime", "openvino", "pydicom", "pylibjpeg-libjpeg", "SimpleITK", "numpy")
LEAST_VOXELS = 1_000_000


def arguments() -> argparse.Namespace:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bench-peers", description="Measures scanward beside other software in one run.")
    parser.add_argument("--quick", action="store_true", help="few rounds; prints the tables and leaves docs/ as it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    parser.add_argument("--binary", type=Path, metavar="FILE", help="measure this scanward (default: a release build)")
    parser.add_argument("--tract", type=Path, metavar="FILE", help="let this scanward run tract: the appliance builds it for size")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with dicom and lesion/train")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page there, its plot beside it (default docs/benchmarks.md)")
    return parser.parse_args()


def measure(asked: argparse.Namespace, scratch: Path) -> Figures:
    """Every part, one after the other."""
    quick, program, model = asked.quick, asked.binary.resolve(), ROOT / "models"
    series = [asked.data / "dicom" / name for name in ("P002", "normal001")]
    at = network.ground(program, (asked.tract or program).resolve(), model, asked.data, scratch)
    nets = network.measure(at, 3 if quick else 15, 1 if quick else 3, tell, scratch)
    voxels = nets.shape[0] * nets.shape[1] * nets.shape[2]
    if voxels < LEAST_VOXELS:
        raise RuntimeError(f"the lungs of {network.CASE} have {voxels} voxels only; {LEAST_VOXELS} are asked for")
    reads = reading.measure(program, model, 300, 2 if quick else 7, not quick, tell, scratch)
    chain = whole.measure(program, model, series, 3 if quick else 17, (4, 12) if quick else (10, 100), tell, scratch)
    facts = nets.machine
    return Figures(
        network=nets,
        reading=reads,
        whole=chain,
        arrivals=whole.arrivals(program, tell),
        size=whole.size(ROOT, program),
        machine=Machine(
            processor=facts["processor"],
            cores=facts["cores"],
            isa=facts["isa"],
            system=f"{platform.system()} {platform.release()}",
            scanward=output_of([program, "--version"]).split("\n")[0],
            packages={name: metadata.version(name) for name in PACKAGES},
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            quick=quick,
            release=facts["release"],
        ),
    )


def tell(what: str) -> None:
    """A line of progress."""
    print(f"{datetime.datetime.now():%H:%M:%S} {what}", flush=True)


def main() -> None:
    """Measures, then writes."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="scanward-peers-") as folder:
        figures = measure(asked, Path(folder))
    if asked.json:
        asked.json.write_text(json.dumps(report.as_json(figures), indent=2) + "\n", encoding="utf-8")
    page = asked.out or (None if asked.quick else ROOT / "docs" / "benchmarks.md")
    if page:
        picture = page.with_suffix(".svg")
        plot.draw(figures, picture)
        page.write_text(report.page(figures, picture.name), encoding="utf-8")
        tell(f"wrote {page} and {picture.name}")
    else:
        print(report.page(figures, None))
    for line in report.missed(figures):
        tell(f"short of the aim: {line}")


if __name__ == "__main__":
    main()
