"""Sphinx configuration; builds offline and without a warning."""

import sys
from pathlib import Path

import crmkit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import parity  # noqa: E402
import reference  # noqa: E402

# before Sphinx looks for its sources: the reference is written anew from the public names of the package
reference.write(HERE / "reference" / "generated")
# and published figures are computed again
parity.write(HERE / "explanation" / "parity.md")

project = "crmkit"
author = "The crmkit developers"
copyright = "the crmkit developers"
version = release = crmkit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",  # formulas show without a network
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# the README and its like are read on their own too, where their links are relative to the project
suppress_warnings = ["myst.header"]

# named one by one: on a second build Sphinx would look for new names only in the pages of the first
autosummary_generate = [str(page) for page in sorted((HERE / "reference" / "generated").glob("*.rst"))]
# numpydoc sections carry the types, with their units and columns; annotations would say less a second time
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# every reference must lead somewhere within these pages: there is no inventory of other projects to load
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(numpy|np|pandas|pd|polars|pyarrow|sklearn|scipy|matplotlib|collections|typing)\..*")]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "reading_order.place",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 60,
    # a page nobody asked for, which loads scripts from elsewhere
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
# pages without pages below them have nothing to navigate to
html_sidebars = {name: [] for name in ("changelog", "contributing", "glossary", "security", "stability")}
html_title = "crmkit"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["crmkit.css"]
html_theme_options = {
    "navbar_align": "left",
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
