"""For the examples in docstrings, which are tests too: pictures they draw are put away."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _pictures_are_put_away():
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
