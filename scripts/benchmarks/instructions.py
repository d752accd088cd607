"""Counts the instructions of each stage and kernel and compares them with a committed file: `instructions.py --help`.

Times on a busy machine say little; instructions of the same program on the same input are nearly the same each time. The
program says where one piece of work ends by calling `bench_piece_ends`; callgrind writes its counts down there.
"""

import argparse
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
COUNTS = HERE / "instructions.toml"
TOLERANCE = 0.03
SLACK = 12_000
"""Instructions that never count as a change: what the allocator finds in the heap differs from run to run. It is less than the tolerance of
every piece but the gate, which is a few times as many in all."""
BESIDE = "-"
HEAD = """\
# Instructions of each piece of work, counted by callgrind on a development build: written by `scripts/bench-instructions --update`.
# They hold for one compiler only; with another, or on another kind of machine, they are printed and not compared.
"""


def prepared(program: Path, folder: Path) -> None:
    """A small phantom, and one slice of it in JPEG Lossless as scanners send it (dcmtk's encoder)."""
    series = folder / "series"
    run([program, "phantom", "--out", series, "--slices", "64", "--matrix", "256"])
    (series / "phantom.txt").unlink()
    run(["dcmcjpeg", "+e1", series / "IM0032.dcm", folder / "jpeg-lossless.dcm"])


def counted(program: Path, folder: Path) -> dict[str, int]:
    """Instructions of each piece, by name; pieces of one name are added."""
    valgrind = ["valgrind", "--tool=callgrind", "--dump-after=*bench_piece_ends*", f"--callgrind-out-file={folder}/out", "--quiet"]
    names = run([*valgrind, program, "bench-instructions", folder, "--model", HERE.parents[1] / "models"]).splitlines()
    # out.1, out.2 … in the order of the pieces; what comes after the last piece is in `out` alone.
    dumps = [total(folder / f"out.{number}") for number in range(1, len(names) + 1)]
    counts: dict[str, int] = {}
    for name, count in zip(names, dumps, strict=True):
        if name != BESIDE:
            counts[name] = counts.get(name, 0) + count
    return counts


def total(dump: Path) -> int:
    """What a dump of callgrind sums up to."""
    found = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise RuntimeError(f"{dump} holds no sum: callgrind writes another format")
    return int(found[1])


def run(command: list) -> str:
    """What `command` prints; ends the script where it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` ended with {done.returncode}; its own message stands above")
    return done.stdout


def compiler() -> str:
    """Counts of another compiler or architecture cannot be compared."""
    return f"{run(['rustc', '--version']).strip()}, {platform.machine()}"


def written(counts: dict[str, int]) -> str:
    """The committed file."""
    lines = [f'"{name}" = {count}' for name, count in counts.items()]
    return f'{HEAD}compiler = "{compiler()}"\n\n[counts]\n' + "\n".join(lines) + "\n"


def compared(counts: dict[str, int]) -> list[str]:
    """A complaint for each piece that differs from the committed file; prints all."""
    before = tomllib.loads(COUNTS.read_text(encoding="utf-8"))
    same = before["compiler"] == compiler()
    complaints = []
    for name in sorted({*counts, *before["counts"]}):
        old, new = before["counts"].get(name), counts.get(name)
        change = (new / old - 1) if old and new else None
        print(f"{name:32}{old or '-':>14}{new or '-':>14}{'' if change is None else f'{change:+9.1%}'}")
        if change is None:
            complaints.append(f"{name} is {'new' if new else 'gone'}")
        elif abs(change) > TOLERANCE and abs(new - old) > SLACK:
            complaints.append(f"{name}: {change:+.1%}")
    if not same:
        print(f"counted with {compiler()}, the file is of {before['compiler']}: only reported")
        return []
    return complaints


def main() -> None:
    """Counts, then compares or writes."""
    parser = argparse.ArgumentParser(prog="scripts/bench-instructions", description="Counts instructions of each stage and kernel.")
    parser.add_argument("--update", action="store_true", help="write the counts to the committed file")
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scanward-instructions-") as folder:
        prepared(asked.binary.resolve(), Path(folder))
        counts = counted(asked.binary.resolve(), Path(folder))
    if asked.update:
        COUNTS.write_text(written(counts), encoding="utf-8")
        print(f"wrote {COUNTS}")
        return
    complaints = compared(counts)
    if complaints:
        print("other instruction counts than committed:", *complaints, sep="\n  ")
        print("meant? then run `scripts/bench-instructions --update` and say why in the commit; else find what got slower")
        sys.exit(1)


if __name__ == "__main__":
    main()
