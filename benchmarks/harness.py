"""Measure several libraries side by side, so that a busy machine slows all of them alike.

Every (library, size) lives in a process of its own, which loads its data once and then waits. The harness calls the
processes in turn, one call at a time, round after round: what disturbs one round disturbs every library in it, and the
ratio of medians stays meaningful where seconds do not. Processes talk in lines of JSON and share data through files, so
a library may live in another Python environment.

A module under ``benchmarks/cases`` is a case:

- ``TITLE`` and ``ABOUT``: its heading on the performance page, and what is measured there;
- ``SIZES``: size name -> keyword arguments of ``write``;
- ``write(folder, **size)``: put the data of one size into a folder, and return the bytes of the input columns, or None;
- ``LIBRARIES``: library name -> (environment, function); the function takes the folder and returns step name -> call
  without arguments, or (prepare, call) where there is something to prepare that is not to be timed;
- ``aims(size)``: what to conclude from the medians (`Aim`);
- optionally ``SMALL``: what differs in the little data of a first call, whose excess over the second is compile time;
- optionally ``ROUNDS``: how often to call each step.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
OURS, PEERS = "ours", "peers"
# slow peers are called less often: after this many seconds, and at least three rounds, a step has been measured enough
PATIENCE = 45.0

Call = Callable[[], object]
# (prepare, call): prepare() is done once and not timed, call(prepared) is timed
Step = Call | tuple[Call, Callable[[Any], object]]
Side = tuple[str, str]


@dataclass(frozen=True)
class Aim:
    """A conclusion from the medians, and the most it may be; a side is (library, steps joined by +).

    `kind` is "ratio" or "difference" of the two sides, or "memory": peak extra memory of `left` over the input columns.
    """

    label: str
    left: Side
    right: Side | None = None
    at_most: float | None = None
    kind: str = "ratio"


def resident(field: str) -> float:
    """Return a memory figure of this process in MB: VmRSS is now, VmHWM the highest since it was last reset."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(call: Call) -> dict[str, float]:
    """Time one call, and how far memory rose above where it stood before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the high-water mark
    before = resident("VmRSS")
    start = time.perf_counter()
    answer = call()
    seconds = time.perf_counter() - start
    peak = resident("VmHWM") - before
    del answer
    # a call that runs other processes reports what it timed there
    return {"seconds": seconds, "megabytes": max(peak, 0.0)}


def prepared(steps: dict[str, Step], name: str) -> Call:
    """Return the call of a step, prepared on its first use."""
    step = steps[name]
    if isinstance(step, tuple):
        prepare, call = step
        step = steps[name] = partial(call, prepare())
    return step


def serve(case: str, library: str) -> None:
    """Be a worker: read requests from stdin, one JSON object a line, and answer on stdout."""
    requests, answers = sys.stdin, os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    warnings.simplefilter("ignore")
    steps: dict[str, Step] = {}
    for line in requests:
        request = json.loads(line)
        try:
            if "folder" in request:
                module = importlib.import_module(f"benchmarks.cases.{case}")
                steps = module.LIBRARIES[library][1](Path(request["folder"]))
                answer: dict[str, Any] = {"steps": list(steps)}
            else:
                answer = measure(prepared(steps, request["step"]))
        except Exception as error:  # reported; the other libraries go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    """One library in one process."""

    def __init__(self, python: str, case: str, library: str, kernels: Path) -> None:
        self.library = library
        # an empty folder: kernels compiled before would hide what a first call costs
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(kernels)}
        command = [python, "-m", "benchmarks.harness", case, library]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            msg = f"the process of {self.library} ended with status {self.process.wait()}"
            raise WorkerError(msg)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            msg = f"{self.library}: {answer['error']}"
            raise WorkerError(msg)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class WorkerError(RuntimeError):
    """A library could not do what was asked of it."""


def first_call_excess(worker: Worker, step: str) -> float:
    """Return how much longer a first call takes than the next ones."""
    first, *later = [worker.ask(step=step)["seconds"] for _ in range(4)]
    return float(max(0.0, first - min(later)))


def run_size(case: ModuleType, size: str, pythons: dict[str, str], *, rounds: int) -> dict[str, Any]:
    """Measure every library of a case on one size, in turn; return medians, memory, compile time and failures."""
    name = case.__name__.rpartition(".")[2]
    failures: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder, small = Path(scratch, "full"), Path(scratch, "small")
        folder.mkdir()
        small.mkdir()
        columns = case.write(folder, **case.SIZES[size])
        has_small = hasattr(case, "SMALL")
        if has_small:
            case.write(small, **{**case.SIZES[size], **case.SMALL})

        ready: list[tuple[Worker, str]] = []
        workers: list[Worker] = []
        for library, (environment, _) in case.LIBRARIES.items():
            if environment not in pythons:
                failures.append(f"{library}: no Python given for it")
                continue
            worker = Worker(pythons[environment], name, library, Path(scratch, library))
            workers.append(worker)
            try:
                steps = worker.ask(folder=str(small if has_small else folder))["steps"]
            except WorkerError as error:
                failures.append(str(error))
                continue
            for step in steps:
                try:
                    excess = first_call_excess(worker, step) if has_small else None
                except WorkerError as error:
                    failures.append(f"{error} ({step})")
                    continue
                ready.append((worker, step))
                found[f"{library} {step}"] = {"compile": excess, "seconds": [], "megabytes": []}
            if has_small:
                worker.ask(folder=str(folder))
        for _ in range(rounds):
            for worker, step in list(ready):
                entry = found[f"{worker.library} {step}"]
                if len(entry["seconds"]) >= 3 and sum(entry["seconds"]) > PATIENCE:
                    continue
                try:
                    answer = worker.ask(step=step)
                except WorkerError as error:
                    failures.append(f"{error} ({step})")
                    ready.remove((worker, step))
                    continue
                entry["seconds"].append(answer["seconds"])
                entry["megabytes"].append(answer["megabytes"])
        for worker in workers:
            worker.close()
    measured = {
        label: {
            "runs": len(entry["seconds"]),
            "median": median(entry["seconds"]),
            "fastest": min(entry["seconds"]),
            "compile": entry["compile"],
            "peak_megabytes": max(entry["megabytes"]),
        }
        for label, entry in found.items()
        if entry["seconds"]
    }
    return {"steps": measured, "input_megabytes": columns / 2**20 if columns else None, "failures": failures}


def conclusions(case: ModuleType, size: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the case concludes from the medians, where all of it was measured."""

    def steps(side: Side) -> list[dict[str, Any]]:
        return [found["steps"].get(f"{side[0]} {step}", {}) for step in side[1].split("+")]

    drawn = []
    for aim in case.aims(size):
        left, right = steps(aim.left), steps(aim.right) if aim.right else []
        if not all([*left, *right]):
            continue
        above, below = sum(step["median"] for step in left), sum(step["median"] for step in right)
        if aim.kind == "memory":
            value = max(step["peak_megabytes"] for step in left) / found["input_megabytes"]
        else:
            value = above / below if aim.kind == "ratio" else above - below
        drawn.append({"label": aim.label, "kind": aim.kind, "value": value, "at_most": aim.at_most})
    return drawn


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
