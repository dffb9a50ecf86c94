"""The pages that show how something is done do it."""

import os
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "howto").glob("*.md"))
# their fits take minutes where kernels are plain Python
MIXTURES = {"blocking", "link_tables", "link_threshold", "linkage_cost", "stable_ids"}


# simulated purchases have ties, and the library says what it makes of them
@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "index"], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page):
    if page.stem in MIXTURES and os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("mixtures take minutes without compiled kernels")
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)


def test_every_page_is_in_the_index():
    index = (PAGES[0].parent / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.MULTILINE), page.stem
