"""The page and the JSON of one run."""

import statistics

from figures import Figures
from network import CASE, RUNS, TURN_SECONDS, Contestant
from whole import INTERVAL_MS, percentile

Row = list[str]


def table(head: Row, rows: list[Row]) -> str:
    """A Markdown table, its first column to the left."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(figures: Figures) -> dict:
    """What programs compare."""
    nets, whole, reads = figures.network, figures.whole, figures.reading
    ours = nets.best("scanward")
    direct, acknowledged = whole.pooled("direct_to_messages_ms"), whole.pooled("service_to_puback_ms")

    def fastest(runtime: str, threads: int = 1) -> float | None:
        best = nets.best(runtime, threads)
        return min(best.warm) if best else None

    return {
        "peak_gmacs": nets.peak_gmacs,
        "network": {
            "gmac": nets.gmac,
            "gmac_done": nets.gmac_done,
            "ours_ms": min(ours.warm),
            "share_of_peak": share_at_best(ours, nets.gmac),
            "share_of_peak_done": share_at_best(ours, nets.gmac_done),
            "openvino_best_ms": fastest("openvino"),
            "ort_best_ms": fastest("onnxruntime"),
            "tract_ms": fastest("tract"),
            "two_threads": {
                "ours_ms": fastest("scanward", 2),
                "openvino_best_ms": fastest("openvino", 2),
                "ort_best_ms": fastest("onnxruntime", 2),
            },
            "voxels": nets.shape[0] * nets.shape[1] * nets.shape[2],
            "agreement_with_ort_int8": ours.agreement["int8"],
            "agreement_with_ort_float": ours.agreement["f32"],
        },
        "chain": {
            "last_slice_to_finding_ms_p50": percentile(direct, 50),
            "last_slice_to_finding_ms_p95": percentile(direct, 95),
            "to_puback_ms_p95": percentile(whole.pooled("direct_to_disk_ms"), 95) + percentile(whole.pooled("disk_to_puback_ms"), 95),
            "service_last_slice_to_disk_less_quiet_ms_p95": percentile(whole.pooled("service_to_disk_ms"), 95),
            "service_last_slice_to_puback_less_quiet_ms_p95": percentile(acknowledged, 95),
            "series": len(direct),
        },
        "read": {
            "simpleitk_ms": min(reads.cold["simpleitk"]),
            "pydicom_ms": min(reads.cold["pydicom"]),
            "ours_folder_to_finding_ms": min(reads.cold["scanward"]),
        },
        "memory": {"peak_rss_mb": whole.peak_rss_mb, "idle_rss_mb": whole.idle_rss_mb, "idle_cpu_percent": whole.idle_percent},
        "binary_mb": figures.size.megabytes,
        "queue": whole.queue,
        "machine": {"processor": figures.machine.processor, "isa": nets.isa, "date": figures.machine.date},
    }


def share_at_best(contestant: Contestant, gmac: float) -> float:
    """The share of the peak in the fastest run, with the higher of the peaks before and after it; 0 without a peak."""
    best = min(range(len(contestant.warm)), key=contestant.warm.__getitem__)
    peak = contestant.peaks[best]
    return 1000 * gmac / contestant.warm[best] / peak if peak else 0.0


def missed(figures: Figures) -> list[str]:
    """The aims that this run did not reach."""
    found = as_json(figures)
    net, chain, memory, read = (found[part] for part in ("network", "chain", "memory", "read"))
    ours = net["ours_ms"]
    few, many = found["queue"][0], found["queue"][-1]
    grows = {key: many[key] / few[key] - 1 for key in ("processor_ms_each", "peak_kib")}
    aims = [
        (net["share_of_peak"] >= 0.85, f"network at {net['share_of_peak']:.0%} of the peak; 85 %"),
        (net["openvino_best_ms"] >= 2.5 * ours, f"{net['openvino_best_ms'] / ours:.1f} × faster than OpenVINO; 2.5"),
        (net["ort_best_ms"] >= 6 * ours, f"{net['ort_best_ms'] / ours:.1f} × faster than ONNX Runtime; 6"),
        (net["tract_ms"] >= 15 * ours, f"{net['tract_ms'] / ours:.1f} × faster than tract; 15"),
        (net["agreement_with_ort_int8"] >= 0.999, f"labels agree to {net['agreement_with_ort_int8']:.4%}; 99.9 %"),
        (chain["last_slice_to_finding_ms_p95"] <= 40, f"last slice to finding {chain['last_slice_to_finding_ms_p95']:.1f} ms p95; 40"),
        (chain["to_puback_ms_p95"] <= 100, f"to PUBACK {chain['to_puback_ms_p95']:.1f} ms p95; 100"),
        (read["ours_folder_to_finding_ms"] <= read["simpleitk_ms"], f"folder to finding {read['ours_folder_to_finding_ms']:.0f} ms"),
        (memory["peak_rss_mb"] <= 96, f"peak {memory['peak_rss_mb']:.0f} MB; 96"),
        (memory["idle_rss_mb"] <= 20, f"idle {memory['idle_rss_mb']:.1f} MB; 20"),
        (memory["idle_cpu_percent"] <= 0.5, f"idle {memory['idle_cpu_percent']:.2f} % of a core; 0.5"),
        (found["binary_mb"] <= 20, f"program {found['binary_mb']:.1f} MB; 20"),
        (grows["processor_ms_each"] <= 0.05, f"each of many series at once takes {grows['processor_ms_each']:+.0%} time; 5 %"),
        (grows["peak_kib"] <= 0.05, f"many series at once take {grows['peak_kib']:+.0%} memory; flat"),
    ]
    return [text for reached, text in aims if not reached]


def page(figures: Figures, picture: str | None) -> str:
    """docs/benchmarks.md."""
    parts = [
        "<!-- written by scripts/bench-peers: do not edit; every number is of one run -->",
        "# Benchmarks",
        _machine(figures),
        *([f"![How many times as long others take]({picture})"] if picture else []),
        "## The network",
        _network(figures),
        "### Layer by layer",
        _layers(figures),
        "## From the last slice to the ward",
        _chain(figures),
        "## From a folder to the finding",
        _reading(figures),
        "## Memory, size, many series at once",
        _memory(figures),
        *(["## Simulated arrivals", f"```text\n{figures.arrivals.strip()}\n```"] if figures.arrivals else []),
    ]
    return "\n\n".join(parts) + "\n"


def _machine(figures: Figures) -> str:
    machine = figures.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    warnings = [
        *(["**A quick run: too few rounds to be quoted.**"] if machine.quick else []),
        *([] if machine.release else ["**A development build: slow.**"]),
    ]
    text = (
        f"{machine.date}, {machine.processor}, {machine.cores} cores, {machine.isa}, {machine.system}. {machine.scanward}; {versions}. "
        "Everything was measured in one run, one program at a time, round by round, so that a slow moment of the machine meets all."
    )
    return " ".join([*warnings, text])


def _network(figures: Figures) -> str:
    nets = figures.network
    z, y, x = nets.shape
    rows = []
    for threads in (1, 2):
        ours = nets.best("scanward", threads)
        for each in [each for each in nets.contestants if each.threads == threads]:
            rows.append(
                [
                    each.title,
                    f"{min(each.warm):.1f}",
                    f"{statistics.median(each.warm):.1f}",
                    f"{min(each.warm) / min(ours.warm):.1f} ×",
                    f"{share_at_best(each, nets.gmac):.0%}",
                    f"{share_at_best(each, nets.gmac_of(each)):.0%}",
                    f"{min(each.cold):.0f}",
                    f"{each.agreement['int8']:.4%}",
                    f"{each.agreement['f32']:.4%}",
                ]
            )
    head = ["runtime", "min, ms", "median, ms", "to ours", "asked for, of the peak", "multiplied, of the peak", "cold, ms", "labels as ORT int8", "as ORT float"]
    skipped = 1 - nets.gmac_done / nets.gmac
    done = f", of which ours does {nets.gmac_done:.2f}: {skipped:.0%} would multiply by zero" if skipped > 0.005 else ""
    return (
        f"The shipped model on the whole lungs of `{CASE}`, {z} × {y} × {x} = {z * y * x / 1e6:.2f} million voxels: {nets.gmac:.2f} GMAC{done}. "
        f"{nets.rounds} rounds; in each a setting runs for {TURN_SECONDS} s, at least {RUNS} times. Peak: independent dot products in registers ({nets.isa}), "
        f"{nets.peak_gmacs:.0f} GMAC/s with one thread, {nets.peak_gmacs_two:.0f} with two (medians), taken before and after each run; the shares "
        "are those of the fastest run against the higher of the two: of what the network asks for, and of what was multiplied. Ours is timed from HU to the mask, the others from the packed input to the logits. Cold: a fresh "
        "process loads the file and runs once; import is not counted. The float file is the int8 file with its weights' scales multiplied in.\n\n" + table(head, rows)
    )


def _layers(figures: Figures) -> str:
    nets = figures.network
    rows, total = [], sum(layer["ms"] for layer in nets.layers)
    for number, layer in enumerate(nets.layers, 1):
        speed = layer["macs_done"] / 1e6 / layer["ms"]
        rows.append(
            [
                f"{number} {layer['kind']}",
                f"{' + '.join(map(str, layer['inputs']))} → {layer['outputs']}",
                " × ".join(map(str, layer["shape"])),
                f"{layer['macs'] / 1e6:.0f}",
                f"{layer['macs_done'] / 1e6:.0f}",
                f"{layer['ms']:.2f}",
                f"{layer['ms'] / total:.0%}",
                f"{speed:.0f}",
                f"{speed / nets.peak_gmacs:.0%}" if nets.peak_gmacs else "-",
                f"{layer['bytes'] / 1e6:.1f}",
                f"{layer['macs_done'] / layer['bytes']:.0f}",
            ]
        )
    head = ["layer", "channels", "output", "MMAC", "done", "ms", "of all", "GMAC/s", "of the peak", "MB moved", "MAC/byte"]
    return "One thread, the best of 20 runs for each layer.\n\n" + table(head, rows)


def _chain(figures: Figures) -> str:
    whole = figures.whole
    direct = whole.pooled("direct_to_messages_ms")
    rows = []
    for title, key in [
        ("last slice's file → finding encoded, in one go", "direct_to_messages_ms"),
        ("the same → outcome on disk, synced", "direct_to_disk_ms"),
        ("service: last slice → outcome on disk, less quiet", "service_to_disk_ms"),
        ("service: last slice → PUBACK, less quiet", "service_to_puback_ms"),
        ("service: outcome on disk → PUBACK", "disk_to_puback_ms"),
    ]:
        samples = whole.pooled(key)
        rows.append([title, *(f"{value:.1f}" for value in (min(samples), percentile(samples, 50), percentile(samples, 95), max(samples)))])
    stages = [["slice: read, decode, reduce", *(f"{one['read_one_ms']['median']:.2f}" for one in whole.series)]]
    for index, stage in enumerate(whole.series[0]["stages"]):
        stages.append([stage["stage"], *(f"{one['stages'][index]['ms']['median']:.2f}" for one in whole.series)])
    stages.append(["all stages and the picture", *(f"{one['pipeline_ms']['median']:.2f}" for one in whole.series)])
    stages.append(["messages", *(f"{one['encode_ms']['median']:.2f}" for one in whole.series)])
    first = whole.series[0]
    return (
        f"{len(direct)} series: {', '.join(one['name'] for one in whole.series)}, by turns. *In one go*: all slices but the last were read and "
        "reduced; the clock runs from the moment the last slice's file has its name until the messages are written, the picture included, and on until "
        "they are on disk; with the way from there to the broker's answer, that is the time to PUBACK without any waiting. "
        f"*Service*: slices every {INTERVAL_MS} ms into the folder that a service of its own watches ({whole.broker} on this machine, outbox synced to "
        f"disk); its quiet time of {first['quiet_ms'] / 1000:.0f} s is taken off, and may hide work that is done meanwhile.\n\n"
        + table(["ms", "min", "median", "p95", "max"], rows)
        + "\n\nStages, medians in ms:\n\n"
        + table(["stage", *(one["name"] for one in whole.series)], stages)
    )


def _reading(figures: Figures) -> str:
    reads = figures.reading
    rows = []
    for title, name in [
        ("SimpleITK, reads only", "simpleitk"),
        ("pydicom, reads only", "pydicom"),
        ("scanward, to the finding", "scanward"),
    ]:
        cold, warm = reads.cold[name], reads.warm[name]
        rows.append([title, *(f"{value:.0f}" for value in (min(cold), statistics.median(cold), min(warm), statistics.median(warm)))])
    return (
        f"{reads.slices} uncompressed slices of 512 × 512, {len(reads.cold['scanward'])} rounds. Cold: {reads.made_cold}. The others are timed without "
        "Python's start and imports; scanward as a whole process, from its start with the model's self check to its end.\n\n"
        + table(["ms", "cold, min", "cold, median", "warm, min", "warm, median"], rows)
    )


def _memory(figures: Figures) -> str:
    whole = figures.whole
    rows = [
        [f"most memory, {whole.phantom['name']}", f"{whole.peak_rss_mb:.1f} MB"],
        ["most memory while idle, before or after", f"{whole.idle_rss_mb:.1f} MB"],
        ["processor while idle", f"{whole.idle_percent:.2f} % of a core"],
        [f"program's file, {figures.size.which}", f"{figures.size.megabytes:.1f} MB"],
    ]
    queue = [
        [str(one["series"]), str(one["rounds"]), f"{one['ms_each']:.1f}", f"{one['processor_ms_each']:.1f}", f"{one['peak_kib'] * 1024 / 1e6:.1f}"]
        for one in whole.queue
    ]
    return (
        table(["the service", ""], rows)
        + f"\n\nSeries of {whole.queue[0]['slices']} slices of 256 × 256 that appear at once; means of as many series, by turns. The time "
        + "runs from their appearance until the last one's outcome is on disk, the quiet time of 0.5 s included; while many wait, reading and "
        + "judging share the cores and their caches, which few series do one after the other.\n\n"
        + table(["series at once", "rounds", "ms each", "processor ms each", "most memory, MB"], queue)
    )
