"""A guest in other people's processes: threads, forks, read-only installs, and nothing changed behind it."""

import asyncio
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_bad_input import CASES, numbers_in, quietly

import crmkit as crm

FAST = ("events", "rfm.summarize", "clv.summarize", "clv.p_alive", "clv.expected_purchases", "recommend.interactions")


def answers(name):
    """All numbers of one answer, as bytes."""
    case = CASES[name]
    return {where: values.tobytes() for where, values in numbers_in(quietly(case.call, case.frame()))}


@pytest.mark.parametrize("name", sorted(CASES))
def test_one_and_two_threads_give_the_same_bits(name, monkeypatch):
    monkeypatch.setenv("CRMKIT_NUM_THREADS", "1")
    one = answers(name)
    monkeypatch.setenv("CRMKIT_NUM_THREADS", "2")
    assert answers(name) == one


@pytest.mark.parametrize("name", sorted(CASES))
def test_results_cross_process_boundaries(name):
    case = CASES[name]
    result = quietly(case.call, case.frame())
    back = pickle.loads(pickle.dumps(result))
    assert {w: v.tobytes() for w, v in numbers_in(back)} == {w: v.tobytes() for w, v in numbers_in(result)}


def test_eight_threads_at_once_give_the_same_bits():
    expected = {name: answers(name) for name in FAST}
    with ThreadPoolExecutor(max_workers=8) as pool:
        for name, found in zip(FAST * 8, pool.map(answers, FAST * 8), strict=True):
            assert found == expected[name]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gives_the_same_bits():
    code = """
        import os, sys
        sys.path.insert(0, {folder!r})
        from test_embedding import FAST, answers
        before = [answers(name) for name in FAST]   # the parent has used threads, kernels and caches
        child = os.fork()
        if child == 0:
            os._exit(0 if [answers(name) for name in FAST] == before else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    program = textwrap.dedent(code).format(folder=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "0"


PRELUDE = """
    import os, sys, warnings
    sys.path.insert(0, {folder!r})
    from test_embedding import FAST, answers
"""


def python(code, *flags, **environment):
    """Run a program that knows FAST and answers, and return what it prints."""
    program = textwrap.dedent(PRELUDE).format(folder=str(Path(__file__).parent)) + textwrap.dedent(code)
    command = [sys.executable, "-W", "ignore", *flags, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_forked_from_a_process_that_has_loaded_and_used_all_give_the_same_bits():
    """As a server that preloads its application: warm up, fork several workers, each of which starts threads of its own."""
    printed = python("""
        import crmkit
        crmkit.warmup()
        before = {name: answers(name) for name in FAST}
        def work():
            from concurrent.futures import ThreadPoolExecutor
            with ThreadPoolExecutor(3) as pool:
                return list(pool.map(answers, FAST)) == [before[name] for name in FAST]
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if work() and work() else 1
                finally:
                    os._exit(code)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(codes, work())  # and the parent goes on
    """)
    assert printed == "[0, 0, 0] True"


def test_an_event_loop_runs_calls_side_by_side_and_stays_free():
    async def main():
        loop, ticks = asyncio.get_running_loop(), 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with ThreadPoolExecutor(4) as pool:
            found = await asyncio.gather(*(loop.run_in_executor(pool, answers, name) for name in FAST * 3))
        ticking.cancel()
        return found, ticks

    expected = [answers(name) for name in FAST]
    found, ticks = asyncio.run(main())
    assert found == expected * 3
    assert ticks > 0


def test_without_assertions_the_bits_are_the_same():
    """`python -O` drops assert statements: none of them may do any work."""
    code = """
        import hashlib
        found = hashlib.sha256()
        for name in FAST:
            for where, values in sorted(answers(name).items()):
                found.update(where.encode() + values)
        print(__debug__, found.hexdigest())
    """
    with_them, without = python(code).split(), python(code, "-O").split()
    assert (with_them[0], without[0]) == ("True", "False")
    assert with_them[1] == without[1]


def test_no_home_and_no_variables_are_no_obstacle(tmp_path):
    program = "import crmkit, pandas as pd; print(len(crmkit.intervals.wilson([1], [2])))"
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    environment = {**kept, "PYTHONPATH": str(Path(crm.__file__).parents[1]), "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr[-2000:]


def test_nothing_in_the_process_is_changed():
    threadpoolctl = pytest.importorskip("threadpoolctl")  # comes with scikit-learn

    def state():
        return {
            "environment": dict(os.environ),
            "filters": list(warnings.filters),
            "errors": np.geterr(),
            "random": np.random.get_state()[1].tobytes(),  # noqa: NPY002 - the global state is what is looked at
            "pandas": [pd.get_option(name) for name in ("display.max_rows", "display.precision")],
            "blas": [(pool["user_api"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info()],
            "folder": Path.cwd(),
        }

    for name in CASES:  # the first round loads libraries, which may set themselves up
        answers(name)
    before = state()
    for name in CASES:
        case = CASES[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inside = list(warnings.filters)
            case.call(case.frame())
            assert warnings.filters == inside
    assert state() == before


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no read-only folders of this kind")
def test_a_read_only_install_without_a_home_works(tmp_path):
    package = tmp_path / "site" / "crmkit"
    shutil.copytree(Path(crm.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    program = textwrap.dedent(
        """
        import pandas as pd, crmkit
        days = pd.date_range("2024-01-01", periods=3)
        orders = pd.DataFrame({"customer_id": ["a", "b", "a"], "timestamp": days, "amount": 1.0})
        print(crmkit.__file__, len(crmkit.rfm.summarize(orders)))
        """
    )
    # to root every folder is writable: numba is told that none is, as it finds on such a system
    program = (
        "import os; real = os.access; os.access = lambda p, m, **k: not (m & os.W_OK) and real(p, m, **k)\n"
        "import tempfile; broken = tempfile.TemporaryFile\n"
        "def refuse(*args, **options): raise OSError('read-only file system')\n"
        "tempfile.TemporaryFile = tempfile.NamedTemporaryFile = refuse\n" + program
        if os.geteuid() == 0
        else program
    )
    for path in sorted(package.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    package.chmod(0o555)
    environment = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    environment |= {"HOME": "/nonexistent", "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    for path in package.rglob("*"):
        path.chmod(0o755)
    package.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(package / "__init__.py"), "2"]
    assert not list(package.rglob("*.nbi"))


def test_the_number_of_threads_is_checked(monkeypatch):
    from crmkit import _threads

    monkeypatch.setenv("CRMKIT_NUM_THREADS", "3")
    assert _threads.count() == 3
    assert _threads.count(2) == 2
    for bad in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("CRMKIT_NUM_THREADS", bad)
        with pytest.raises(crm.errors.OptionError, match="CRMKIT_NUM_THREADS"):
            _threads.count()
    monkeypatch.setenv("CRMKIT_NUM_THREADS", "")
    assert _threads.count() >= 1
    for bad in (0, 1.0, True, "2"):
        with pytest.raises(crm.errors.OptionError, match="n_threads"):
            _threads.count(bad)


def test_pieces_come_back_in_order_and_errors_come_out():
    from crmkit import _threads

    assert _threads.chunks(7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert _threads.chunks(0, 3) == []
    assert _threads.run(lambda piece: piece * 2, range(50), n_threads=4) == [piece * 2 for piece in range(50)]
    with pytest.raises(ZeroDivisionError):
        _threads.run(lambda piece: 1 // piece, [1, 0], n_threads=2)
