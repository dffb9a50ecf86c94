"""Change the code in one small way after another, and ask the tests whether they notice: the share they do is printed.

    python tests/mutation/mutate.py                    # a sample of each core, minutes
    python tests/mutation/mutate.py --sample 0 metrics # every mutant of one core

A mutant is one changed operator, comparison, constant or sign. Kernels run as plain Python, so that a mutant costs an import and
not a compilation. Each mutant is tried in a process of its own, on a copy of the package; a test run that fails, or takes five
times as long as without a mutant, has noticed. Survivors that no test can notice are listed, with the reason, in EQUIVALENT.
"""

import argparse
import ast
import dataclasses
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "crmkit"


@dataclasses.dataclass(frozen=True)
class Core:
    """Files whose every line is arithmetic, and the tests that are to notice a change in them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    chosen: str  # as for pytest -k: without tests of chance, which would take most of the time and notice little


CORES = {
    "intervals": Core(
        ("intervals/_one.py", "intervals/_two.py", "_kernels/score_intervals.py", "intervals/_pvalues.py"),
        ("tests/test_intervals.py",),
        "not (hold_together or cover)",
    ),
    "bg_nbd": Core(
        ("_kernels/bg_nbd.py", "_kernels/bg_future.py"),
        tuple(f"tests/test_clv_{name}.py" for name in ("accuracy", "bg_nbd", "mbg_nbd", "future", "bg_cnbd")),
        "digits or derivatives or hessian or integral or chances_add or what_is_left or thousands or agree_with_expected",
    ),
    "metrics": Core(
        ("_kernels/ranking.py", "metrics/_profit.py", "metrics/_ranks.py"),
        ("tests/test_metrics_sums.py", "tests/test_metrics.py"),
        "not (error_by_chance or look_calibrated or differ_by_chance or covers_at_its)",
    ),
}

SEARCH = "_kernels/score_intervals.py"
FUTURE = "_kernels/bg_future.py"
# (file, line of code, change) of a mutant that no test can tell from the original, and why
EQUIVALENT = {
    (SEARCH, "side = 0", "0 -> 1"): "which end moved last, before the first step: another way to the same root",
    (SEARCH, "if side == 1:", "1 -> 2"): "an end is not hurried in: more steps to the same root",
    (SEARCH, "side = 1", "1 -> 2"): "an end is not hurried in: more steps to the same root",
    (SEARCH, "if step % 4 == 3 or not (left < guess < right):", "3 -> 4"): "no fourth step halves: more steps to the same root",
    (FUTURE, "_TERMS = 601", "601 -> 602"): "one more term of a sum that has long converged",
    (SEARCH, "if value > 0.0:", "value > 0.0 -> GtE"): "a root met to the last bit goes to the other end of its bracket",
}

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.USub: ast.UAdd,
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change: in which file and line, and what the line is then."""

    file: str
    line: int
    before: str
    after: str
    code: str
    text: str

    @property
    def key(self):
        return self.file, self.code, f"{self.before} -> {self.after}"

    @property
    def name(self):
        return f"{self.file}:{self.line}: {self.before} -> {self.after}"


def mutants_of(file):
    """Every mutant of a file, in its order."""
    source = (SOURCE / file).read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    ignored = set()
    for node in ast.walk(tree):
        # messages, docstrings, annotations and defaults of options are no arithmetic
        if isinstance(node, (ast.Raise, ast.JoinedStr)) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            ignored.update(ast.walk(node))
        if isinstance(node, (ast.FunctionDef, ast.AnnAssign)):
            for part in [getattr(node, "returns", None), getattr(node, "annotation", None)]:
                ignored.update(ast.walk(part) if part is not None else ())
        if isinstance(node, ast.arguments):
            ignored.update(inner for part in [*node.args, *node.kwonlyargs, *node.posonlyargs] for inner in ast.walk(part))
    found = []
    for node in ast.walk(tree):
        if node in ignored:
            continue
        changes = list(changes_of(node))
        for field, old, new in changes:
            held = getattr(node, field)
            setattr(node, field, new)
            after = ast.unparse(tree)
            setattr(node, field, held)
            found.append(Mutant(file, node.lineno, old, show(new, field), lines[node.lineno - 1].strip(), after))
    return sorted(found, key=lambda mutant: mutant.line)


def changes_of(node):
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.UnaryOp)) and type(node.op) in SWAPS:
        yield "op", ast.unparse(node)[:60], SWAPS[type(node.op)]()
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "ops", ast.unparse(node)[:60], [SWAPS[type(node.ops[0])](), *node.ops[1:]]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "value", repr(node.value), node.value + 1 if isinstance(node.value, int) else node.value * 1.5 + 0.5


def show(new, field):
    if field == "ops":
        return type(new[0]).__name__
    return repr(new) if field == "value" else type(new).__name__


def run(copy, core, limit):
    """Whether the tests pass on the copy of the package."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(copy), "CRMKIT_DATA": os.devnull}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "CRMKIT_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-k",
        core.chosen,
        *core.tests,
    ]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):
        sys.exit(f"pytest itself failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cores", nargs="*", help=f"of {', '.join(CORES)}; default: all")
    parser.add_argument("--sample", type=int, default=60, help="mutants a core, drawn with a fixed seed; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(SOURCE, copy / "crmkit", ignore=shutil.ignore_patterns("__pycache__"))
        for name in given.cores or CORES:
            missed |= one_core(name, CORES[name], copy, given)
    return int(missed)


def one_core(name, core, copy, given):
    begun = time.monotonic()
    if not run(copy, core, None):
        sys.exit(f"{name}: the tests fail without a mutant")
    alone = time.monotonic() - begun
    mutants = [mutant for file in core.files for mutant in mutants_of(file)]
    total = len(mutants)
    if given.sample and given.sample < total:
        mutants = sorted(random.Random(given.seed).sample(mutants, given.sample), key=lambda m: (m.file, m.line))
    survivors = []
    for mutant in mutants:
        home = copy / "crmkit" / mutant.file
        home.write_text(mutant.text, encoding="utf-8")
        if run(copy, core, 5 * alone + 20):
            survivors.append(mutant)
            print(f"  survived {mutant.name}", flush=True)
        shutil.copy(SOURCE / mutant.file, home)
    explained = [mutant for mutant in survivors if mutant.key in EQUIVALENT]
    noticed = len(mutants) - len(survivors)
    print(
        f"{name}: {noticed} of {len(mutants)} mutants noticed ({noticed / len(mutants):.0%}), {len(explained)} equivalent,"
        f" {len(survivors) - len(explained)} survived; {total} there are; tests take {alone:.0f} s",
        flush=True,
    )
    return len(survivors) > len(explained)


if __name__ == "__main__":
    sys.exit(main())
