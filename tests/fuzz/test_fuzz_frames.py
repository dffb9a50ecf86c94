"""Every public function on frames spoilt at random: a right-shaped, finite answer or a named error, nothing else.

A few frames a function here; `nox -s fuzz` goes on for as long as it is told (CRMKIT_FUZZ_SECONDS).
"""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from rounds import rounds
from spoil import spoiled, spoilings
from test_bad_input import CASES, answer

from crmkit.errors import CrmkitError


def bits(frame):
    """A frame in a form that compares, whatever is in it: some values are not equal to themselves, some refuse to be asked."""
    if isinstance(frame, pd.DataFrame):
        columns = [(name, str(frame.iloc[:, k].dtype), repr(list(frame.iloc[:, k]))) for k, name in enumerate(frame.columns)]
        return repr(list(frame.index)), frame.index.names, columns, frame.attrs
    return (frame.schema, repr(frame.to_pydict() if isinstance(frame, pa.Table) else frame.to_dicts()))


# missing or infinite by definition, as the docstring says
DOCUMENTED = {
    "survival.quantile": r"result\.(value|ci_low|ci_high)",
    "uplift.qini": r"result\.named\[",
    "feedback.trend": r"result\.table\.",
    "dedupe.uncertain_pairs": r"result\.(left|right|probability) ",  # columns of the caller's own
    "basket.rules": r"result\.conviction ",
}


def check(case, frame, documented=None):
    before = bits(frame)
    try:
        result = answer(case, frame)
    except AssertionError as error:
        if documented is None or not re.match(documented + ".*is not finite", str(error)):
            raise
    except CrmkitError as error:
        if len(str(error)) > 3_000:
            pytest.fail("an error that nobody reads to its end")
    else:
        if case.per_row and isinstance(result, (pd.Series, pd.DataFrame, pl.DataFrame, np.ndarray)):
            assert len(result) == len(frame)
    assert bits(frame) == before, "the frame was changed"


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_spoilt_frame_is_answered_or_refused_by_name(name):
    case = CASES[name]

    def one(done):
        frame = spoiled(case.frame(), done)
        if frame is not None:
            check(case, frame, DOCUMENTED.get(name))

    rounds(one, spoilings(case), share=1 / len(CASES))
