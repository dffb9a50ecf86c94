"""What the pages show runs, what they print comes out, and where they point is there."""

import doctest
import importlib.util
import inspect
import json
import os
import re
import sys
from pathlib import Path

import pytest

import crmkit

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HOWTO = sorted(page for page in (DOCS / "howto").glob("*.md") if page.stem != "index")
EXPLANATION = sorted(page for page in (DOCS / "explanation").glob("*.md") if page.stem not in ("index", "parity"))
PAGES = [*HOWTO, *EXPLANATION]
# their fits take minutes where kernels are plain Python
SLOW = {"blocking", "from_implicit", "from_splink", "link_tables", "link_threshold", "linkage_cost", "stable_ids"}
# it is about a file that is no part of the project; tests/test_targeting_online_retail.py computes its numbers
ON_A_FILE = {"churn_evaluation"}
# what a page shows beside crmkit; `nox -s engines` has it
NEEDS = {"engines": "duckdb", "spark": "pyspark"}
# "python" runs here, "pycon" is compared with what it prints, a block with a caption is another library's code, which
# tests/peers/test_migration.py runs; the rest is for a shell, a container, another program, or is drawn
LANGUAGES = {"python", "pycon", "{code-block}", "sh", "text", "dockerfile", "{toctree}", "{include}"}


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return [
        re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
        for indent, block in re.findall(rf"^([ ]*)```{language}\n(.*?)^[ ]*```", text, re.MULTILINE | re.DOTALL)
    ]


def label(page):
    return page.stem


# simulated purchases have ties, and the library says what it makes of them
@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=label)
def test_the_python_of_a_page_runs(page):
    if page.stem in ON_A_FILE:
        pytest.skip("it shows code on a file that is no part of the project")
    if page.stem in SLOW and os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("it takes minutes without compiled kernels")
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem], reason=f"{NEEDS[page.stem]} works in the environment of `nox -s engines`")
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "pycon")], ids=label)
def test_a_page_prints_what_comes_out(page):
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said = []
    test = doctest.DocTestParser().get_doctest("\n\n".join(blocks(page, "pycon")), {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(optionflags=options).run(test, out=said.append)
    assert result.failed == 0, "".join(said)
    assert result.attempted > 0


@pytest.mark.parametrize("page", HOWTO, ids=label)
def test_a_how_to_shows_code(page):
    assert blocks(page, "python")


@pytest.mark.parametrize("page", [*PAGES, DOCS / "index.md", DOCS / "glossary.md"], ids=label)
def test_no_block_of_code_is_left_out(page):
    opened = re.findall(r"^[ ]*```([^\s`]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(opened) <= LANGUAGES
    assert page.read_text(encoding="utf-8").count("```") % 2 == 0


@pytest.mark.parametrize("folder", ["howto", "explanation"])
def test_every_page_is_in_the_index(folder):
    index = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    for page in (DOCS / folder).glob("*.md"):
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.MULTILINE), page.stem


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=label)
def test_links_between_files_lead_somewhere(page):
    """Sphinx follows them too, with the anchors; this finds a page that is gone without building anything."""
    generated = {DOCS / "explanation" / "parity.md"}
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
            found = (page.parent / target.partition("#")[0]).resolve()
            assert found in generated or found.exists(), target


def test_peers_are_asked_for_figures_that_are_published():
    from crmkit._verify import exact, published

    recorded = json.loads((DOCS / "_ext" / "parity.json").read_text(encoding="utf-8"))
    for part, checks in (("published", published.checks()), ("exact", exact.checks())):
        assert {figure["quantity"] for figure in recorded[part]} <= {check.quantity for check in checks}


def test_the_parity_page_says_who_differs(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("parity", DOCS / "_ext" / "parity.py")
    parity = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "parity", parity)
    spec.loader.exec_module(parity)
    recorded = {
        "published": [{"quantity": "c", "peer": "q", "version": "1", "value": 2.04}],
        "exact": [{"quantity": "d", "peer": "q", "version": "1", "value": None}],
        "recorded": [
            {"quantity": "a", "source": "s", "published": "1.25", "crmkit": 1.2504, "peer": "p", "version": "3", "value": 1.31},
            {"quantity": "b", "source": "", "published": "", "crmkit": 7.0, "peer": "p", "version": "3", "value": 7.0},
        ],
    }
    monkeypatch.setattr(parity, "PEERS", tmp_path / "parity.json")
    monkeypatch.setattr(parity.published, "checks", lambda: iter([parity.Check("c", "s", "2.0", 2.1)]))
    monkeypatch.setattr(parity.exact, "checks", lambda: iter([parity.Check("d", "50 digits", "4.00", 4.04, 1e-9)]))
    parity.PEERS.write_text(json.dumps(recorded), encoding="utf-8")
    page = parity.page()
    assert "2 published figures and 1 values known to 50 digits; not as they should be: c, d." in page
    assert "| c | s | 2.0 | **2.1000** | q 2.0400 |" in page
    assert "| d | 4 | **1e-02** | q no number |" in page
    assert "- d: q 1 returns no number" in page
    assert "Asked were p 3, q 1." in page
    assert "- a: p 3 says 1.31000, crmkit 1.25040, published is 1.25" in page
    assert "| b |  |  | 7 | p 7 |" in page
    parity.write(tmp_path / "parity.md")
    assert (tmp_path / "parity.md").read_text(encoding="utf-8") == page


def test_faults_of_built_pages_are_found(tmp_path):
    spec = importlib.util.spec_from_file_location("links", DOCS / "_ext" / "links.py")
    links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(links)
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html#there">b</a><a href="https://x.org">x</a></p>', encoding="utf-8"
    )
    (tmp_path / "b.html").write_text('<h1 id="there"><img src="p.png" alt="words"></h1><a href="a.html">a</a>', encoding="utf-8")
    (tmp_path / "p.png").write_bytes(b"")
    assert links.faults(tmp_path) == []
    (tmp_path / "b.html").write_text(
        '<img src="p.png"><a href="c.html">c</a><script src="//cdn.org/x.js"></script>', encoding="utf-8"
    )
    found = "\n".join(links.faults(tmp_path))
    assert found.count("\n") == 3
    for words in ("b.html#there has no such place", "c.html is not there", "loaded from elsewhere", "p.png has no words"):
        assert words in found


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES, *sorted(DOCS.glob("*.md"))], ids=label)
def test_functions_that_are_named_are_there(page):
    topics = {name: thing for name in crmkit.__all__ if inspect.ismodule(thing := getattr(crmkit, name))}
    text = page.read_text(encoding="utf-8")
    # in prose, in tables and in cross-references: `clv.fit_bg_nbd(…)`, `crm.clv.fit_bg_nbd`, {func}`crmkit.clv.fit_bg_nbd`
    said = re.findall(rf"`(?:crm\.|crmkit\.)?({'|'.join(topics)})\.([A-Za-z]\w*)", text)
    assert not {f"{topic}.{name}" for topic, name in said if not hasattr(topics[topic], name)}
