"""Coverage-guided: parsers and string kernels, fed by a fuzzer that learns which bytes reach code it has not met.

    python tests/fuzz/guided.py -max_total_time=600

It needs atheris, which `nox -s guided` installs. Kernels run as plain Python, so that their branches count too.
"""

import contextlib
import os
import sys
import warnings
from pathlib import Path


def read(values):
    """Normalise, encode and compare texts: an answer for each, which normalises to itself, or a named error."""
    column = pd.Series(values, dtype=object)
    for normalize in NORMALIZERS:
        try:
            once = list(normalize(column))
        except CrmkitError:
            continue
        assert len(once) == len(values)
        texts = pd.Series([value if isinstance(value, str) else None for value in once], dtype=object)
        if texts.notna().any():
            again = list(normalize(texts))
            assert [str(value) for value in again if isinstance(value, str)] == texts.dropna().tolist(), normalize.__name__
    for code in (strings.soundex, strings.nysiis):
        assert len(code(column)) == len(values)


def compare(left, right):
    """Hold the kernels against their slow twins, to the last bit."""
    for fast, slow in (
        (strings.jaro_winkler, naive.jaro_winkler),
        (strings.levenshtein, naive.levenshtein),
        (strings.osa, naive.osa),
    ):
        assert float(fast([left], [right])[0]) == slow(left, right), fast.__name__


def options(text):
    """Read a length of time and a saved model: understood, or refused by name."""
    with contextlib.suppress(CrmkitError):
        _options.days("horizon", text)
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):  # what is no JSON is Python's to refuse
        return
    with contextlib.suppress(CrmkitError):
        results.Model.from_dict(plain)


def one(data):
    provider = atheris.FuzzedDataProvider(data)
    which = provider.ConsumeIntInRange(0, 2)
    if which == 0:
        read([provider.ConsumeUnicode(40) for _ in range(provider.ConsumeIntInRange(1, 3))])
    elif which == 1:
        # a missing value and a blank are the same, and have no distance
        left, right = provider.ConsumeUnicodeNoSurrogates(80), provider.ConsumeUnicodeNoSurrogates(80)
        if left.strip() and right.strip():
            compare(left, right)
    else:
        options(provider.ConsumeUnicode(200))


if __name__ == "__main__":
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import atheris

    with atheris.instrument_imports(include=["crmkit"]):
        import json

        import pandas as pd

        from crmkit import _options, results
        from crmkit.dedupe import normalize, strings
        from crmkit.errors import CrmkitError
        from naive import strings as naive

    NORMALIZERS = [getattr(normalize, f"normalize_{kind}") for kind in ("name", "email", "phone", "address", "date")]
    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
