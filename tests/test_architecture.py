"""Imports run downwards only, and each heavy library enters by one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import crmkit

ROOT = Path(crmkit.__file__).parent
LEVEL = {
    **dict.fromkeys(("errors", "_options", "_jit", "_kernels", "_threads"), 0),
    **dict.fromkeys(("_frame", "results"), 1),
    **dict.fromkeys(("_append", "_batches", "_events", "_lazy_events", "intervals", "metrics", "survival", "_learn"), 2),
    **dict.fromkeys(
        ("rfm", "cohort", "clv", "churn", "targeting", "experiment", "uplift", "recommend", "basket", "dedupe", "feedback"), 3
    ),
    **dict.fromkeys(("plot", "datasets", "_customers", "_report", "_verify", "_warmup", "__main__"), 4),
}
# inside a level: who may import whom (the rest of a level is independent)
SIDEWAYS = {
    ("_jit", "errors"),
    ("_options", "errors"),
    ("_threads", "errors"),
    ("_threads", "_options"),
    ("_kernels", "_jit"),
    ("_append", "_events"),
    ("_events", "_append"),  # when it is called
    ("_lazy_events", "_events"),
    ("metrics", "intervals"),
    ("survival", "metrics"),
    ("survival", "intervals"),
    ("_learn", "metrics"),
    ("_learn", "survival"),
    ("_learn", "intervals"),
    ("_report", "plot"),
    ("_report", "datasets"),
    ("_warmup", "datasets"),
    ("_warmup", "_report"),
    ("__main__", "_report"),
    ("__main__", "_verify"),
    ("__main__", "datasets"),
}
DOORS = {
    "numba": {"_jit"},
    "narwhals": {"_frame"},
    "threading": {"_threads"},
    "concurrent": {"_threads"},
    "multiprocessing": set(),
}
FRAMES = {"pandas", "polars", "pyarrow"}
MAY_BUILD_FRAMES = {"_frame", "datasets", "plot", "_report", "_warmup", "__main__"}
NOT_AT_THE_TOP = {"sklearn", "matplotlib", "tqdm", "skops", "pyarrow", "polars"}
FILES = sorted(ROOT.rglob("*.py"))


def unit_of(path):
    """The part of crmkit a file belongs to: its top-level module or package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    """Every import in a file as (module, name or None, is it at the top and for real)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        ancestors, top = node, True
        while ancestors in parents:
            ancestors = parents[ancestors]
            inside_function = isinstance(ancestors, (ast.FunctionDef, ast.AsyncFunctionDef))
            for_types = isinstance(ancestors, ast.If) and "TYPE_CHECKING" in ast.dump(ancestors.test)
            top &= not (inside_function or for_types)
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, top) for alias in node.names)
        else:
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name, top) for alias in node.names)


def crmkit_units(path):
    """The parts of crmkit a file imports."""
    for module, name, _ in imports_of(path):
        parts = module.split(".")
        if parts[0] == "crmkit":
            yield parts[1] if len(parts) > 1 else name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix().replace("/", "."))
def test_imports_run_downwards(path):
    unit = unit_of(path)
    if unit == "__init__":
        return
    assert unit in LEVEL, f"{unit} has no place among the layers"
    for other in crmkit_units(path):
        if other == unit or other in ("__version__", "__init__"):
            continue
        assert other in LEVEL, f"{path.name} imports {other}, which has no place among the layers"
        allowed = LEVEL[other] < LEVEL[unit] or (unit, other) in SIDEWAYS
        assert allowed, f"{unit} (layer {LEVEL[unit]}) imports {other} (layer {LEVEL[other]})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix().replace("/", "."))
def test_heavy_libraries_enter_by_one_door(path):
    unit = unit_of(path)
    for module, _, top in imports_of(path):
        library = module.split(".")[0]
        if library in DOORS:
            assert unit in DOORS[library], f"{unit} imports {library}"
        if library in FRAMES:
            assert unit in MAY_BUILD_FRAMES, f"{unit} imports {library}"
        if library in NOT_AT_THE_TOP or module.startswith(("scipy.stats", "scipy.optimize")):
            assert not top, f"{unit} imports {module} at the top"


def test_kernels_neither_raise_nor_ask_for_fast_math():
    for path in (ROOT / "_kernels").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not any(isinstance(node, (ast.Raise, ast.Assert)) for node in ast.walk(tree)), path.name
        for word in ("prange", "fastmath", "parallel=", "guvectorize", "np.random"):
            assert word not in path.read_text(encoding="utf-8"), f"{path.name}: {word}"


def modules_after(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_crmkit_imports_nothing_heavy():
    loaded = modules_after("import crmkit")
    assert not loaded & {"pandas", "numpy", "numba", "sklearn", "scipy", "matplotlib", "narwhals", "polars", "pyarrow"}


def test_importing_a_topic_leaves_the_optional_alone():
    names = [name for name in crmkit.__all__ if not name.startswith("__")]
    loaded = modules_after("import crmkit; " + "; ".join(f"crmkit.{name}" for name in names))
    assert not loaded & {"sklearn", "matplotlib", "tqdm", "skops", "polars"}
