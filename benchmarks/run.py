"""Run the benchmark cases and write the performance page.

    python benchmarks/run.py [case …] [--peers-python PATH] [--rounds 7] [--quick] [--check] [--compare]

Results of each case go to ``benchmarks/results/<case>.json``; the page is written from all of them, so that one case
can be measured again without the others. With ``--compare`` nothing is written: ratios are measured again and held
against those on file.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import harness  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
CASES = sorted(path.stem for path in (ROOT / "benchmarks" / "cases").glob("[!_]*.py"))
VERSIONS = ("crmkit", "numpy", "numba", "pandas", "polars", "scikit-learn", "lifetimes")


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": processor, "cores": cores}


def versions(python: str) -> dict[str, str]:
    """Return Python's version and those of the libraries that matter, in one environment."""
    script = (
        "import importlib.metadata as m, json, platform\n"
        "found = {'Python': platform.python_version()}\n"
        f"for name in {VERSIONS!r}:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    answer = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def duration(seconds: float | None) -> str:
    """Print seconds with three digits and a unit that suits them."""
    if seconds is None:
        return ""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def figure(value: float | None, kind: str) -> str:
    """Print a ratio with three digits, or a difference as a duration."""
    if value is None:
        return ""
    return duration(value) if kind == "difference" else f"{value:.3g}"


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table; the first column is text, the others are figures."""
    align = ["---"] + ["---:"] * (len(heads) - 1)
    return ["| " + " | ".join(cells) + " |" for cells in [heads, align, *rows]] + [""]


def case_section(result: dict[str, Any]) -> list[str]:
    """Return the part of the page that one case fills."""
    lines = [f"## {result['title']}", "", result["about"], ""]
    wanted = [
        [size, found["label"], figure(found["value"], found["kind"]), figure(found["at_most"], found["kind"])]
        for size, measured in result["sizes"].items()
        for found in measured["conclusions"]
    ]
    if wanted:
        lines += table(["size", "conclusion from the medians", "measured", "at most"], wanted)
    rows = []
    for size, found in result["sizes"].items():
        for label, step in found["steps"].items():
            memory = ""  # without input, the work was done in other processes
            if found["input_megabytes"]:
                times = step["peak_megabytes"] / found["input_megabytes"]
                memory = f"{step['peak_megabytes']:.0f} MB ({times:.1f} × input)"
            cells = [size, label, duration(step["median"]), duration(step["fastest"]), str(step["runs"])]
            rows.append([*cells, memory, duration(step["compile"])])
    heads = ["size", "step", "median", "fastest", "runs", "peak extra memory", "first call adds"]
    lines += table(heads, rows)
    failures = [f"- {size}: {text}" for size, found in result["sizes"].items() for text in found["failures"]]
    return [*lines, *(["Not measured:", "", *failures, ""] if failures else [])]


def write_page() -> None:
    """Write the performance page from all results there are."""
    results = [json.loads((RESULTS / f"{case}.json").read_text()) for case in CASES if (RESULTS / f"{case}.json").exists()]
    lines = [
        "# Performance",
        "",
        "Every figure on this page was written by `python -m nox -s bench`. Each library works in a process of its",
        "own, and the processes are called in turn, so that a busy machine slows all alike: trust ratios more than",
        "seconds. Peak extra memory is how far a process rose above where it stood before the call. What a first call",
        "adds is mostly compiling, which is paid once per machine; it is measured apart, on little data.",
        "",
    ]
    for result in results:
        lines += case_section(result)
        where = result["machine"]
        used = [", ".join(f"{name} {number}" for name, number in found.items()) for found in result["versions"].values()]
        environments = " / ".join(used)
        lines += [f"Measured on {result['date']}: {where['processor']}, {where['cores']} cores.", "", environments, ""]
    if not results:
        lines += ["There are no results yet.", ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def compared(name: str, size: str, drawn: list[dict[str, Any]], slack: float) -> list[tuple[str, float, float, bool]]:
    """Hold the ratios of one size against those on file: label, ratio on file, ratio now, whether it is a regression."""
    path = RESULTS / f"{name}.json"
    sizes = json.loads(path.read_text())["sizes"] if path.exists() else {}
    kept = {one["label"]: one["value"] for one in sizes.get(size, {}).get("conclusions", []) if one["kind"] == "ratio"}
    found = []
    for one in drawn:
        if one["label"] in kept and one["value"] is not None and kept[one["label"]] is not None:
            was, now = kept[one["label"]], one["value"]
            found.append((one["label"], was, now, now > was * (1.0 + slack)))
    return found


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which to run; default: all")
    parser.add_argument("--peers-python", help="a Python that has the peers, which may need an older pandas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", action="append", help="run only these sizes of a case, and write nothing")
    parser.add_argument("--quick", action="store_true", help="two rounds on the smallest size; write nothing")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a conclusion misses its aim")
    parser.add_argument("--compare", action="store_true", help="end with status 1 where a ratio is worse than that on file")
    parser.add_argument("--slack", type=float, default=0.35, help="by which share a ratio may be worse, as machines are noisy")
    parser.add_argument("--page", action="store_true", help="only write the page from the results there are")
    chosen = parser.parse_args()
    if chosen.page:
        write_page()
        return 0
    pythons = {harness.OURS: sys.executable}
    if chosen.peers_python:
        pythons[harness.PEERS] = chosen.peers_python
    missed = 0
    regressions = []
    on_file = [path.stem for path in sorted(RESULTS.glob("*.json"))]
    for name in chosen.cases or (on_file if chosen.compare else CASES):
        case = importlib.import_module(f"benchmarks.cases.{name}")
        sizes = list(case.SIZES)[:1] if chosen.quick else chosen.size or list(case.SIZES)
        result: dict[str, Any] = {
            "title": case.TITLE,
            "about": case.ABOUT,
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "machine": machine(),
            "versions": {environment: versions(python) for environment, python in pythons.items()},
            "sizes": {},
        }
        for size in sizes:
            rounds = 2 if chosen.quick else getattr(case, "ROUNDS", chosen.rounds)
            found = harness.run_size(case, size, pythons, rounds=rounds)
            found["conclusions"] = drawn = harness.conclusions(case, size, found)
            missed += sum(one["at_most"] is not None and one["value"] > one["at_most"] for one in drawn)
            result["sizes"][size] = found
            if chosen.compare:
                for label, was, now, worse in compared(name, size, drawn, chosen.slack):
                    line = f"{name}, {size}: {label}: {was:.3g} on file, {now:.3g} now"
                    print(f"{line}{'  REGRESSION' if worse else ''}")
                    regressions += [line] if worse else []
        if chosen.compare:
            continue
        print("\n".join(case_section(result)))
        if not chosen.quick and not chosen.size:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            write_page()
    if chosen.compare:
        print("\n".join([f"{len(regressions)} regressions beyond {chosen.slack:.0%}", *regressions]))
    return 1 if (chosen.check and missed) or regressions else 0


if __name__ == "__main__":
    sys.exit(main())
