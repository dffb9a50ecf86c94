"""What several test files share: where the real data are, frames of every kind."""

import importlib.metadata
import os
import sys
from pathlib import Path

import numba
import pandas as pd
import pytest
from hypothesis import settings

# the first call of a kernel compiles it, which no deadline of a test should feel
settings.register_profile("crmkit", deadline=None)
settings.load_profile("crmkit")

# brute-force twins of the kernels: `import naive.events`
sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    if numba.config.DISABLE_JIT:
        # hashes wrap around on purpose: compiled code does so in silence, numpy's scalars say so
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered in scalar:RuntimeWarning")


@pytest.fixture
def many(monkeypatch):
    """How many rows make the encoder share its work out; few where kernels run as plain Python."""
    from crmkit._frame import _ids

    if numba.config.DISABLE_JIT:
        monkeypatch.setattr(_ids, "MANY", 1_000)
        monkeypatch.setattr(_ids, "PIECE", 700)
    return _ids.MANY


@pytest.fixture(scope="session")
def data_file():
    """Path of a real data set, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("CRMKIT_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))

    def find(name):
        path = folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in {folder}; set CRMKIT_DATA to the folder that holds it")
        return path

    return find


@pytest.fixture(scope="session")
def wheel_file():
    """Path of a data file that an installed package ships, found without importing the package."""

    def find(package, name):
        for file in importlib.metadata.files(package):
            if file.name == name:
                return Path(str(file.locate()))
        raise FileNotFoundError(name)

    return find


@pytest.fixture(scope="session")
def cdnow_sample(wheel_file):
    """The 1/10 sample of CDNOW that the literature uses: customer_id, timestamp, amount."""
    names = ["customer_id", "sample_id", "date", "cds", "amount"]
    return cdnow(pd.read_csv(wheel_file("lifetimes", "CDNOW_sample.txt"), sep=r"\s+", header=None, names=names))


@pytest.fixture(scope="session")
def cdnow_master(wheel_file):
    """All of CDNOW: 23,570 customers, 69,659 transactions."""
    names = ["customer_id", "date", "cds", "amount"]
    return cdnow(pd.read_csv(wheel_file("lifetimes", "CDNOW_master.txt"), sep=r"\s+", header=0, names=names))


def cdnow(raw):
    """Bring the file's days into the columns crmkit expects."""
    days = pd.to_datetime(raw["date"].astype(str), format="%Y%m%d")
    return raw.assign(timestamp=days)[["customer_id", "timestamp", "amount"]]
