"""Every public name is documented in full, and what the documents show runs."""

import dataclasses
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load("reference")
PUBLIC = reference.public()
NAMES = {f"{module}.{name}": thing for module, names in PUBLIC.items() for name, thing in names.items()}
FUNCTIONS = {name: thing for name, thing in NAMES.items() if inspect.isroutine(thing)}
CLASSES = {name: thing for name, thing in NAMES.items() if inspect.isclass(thing) and not issubclass(thing, BaseException)}
# they take no data and no option that could be wrong
NEVER_RAISES = {"crmkit.warmup"}
# its encoded arrays are what topics are written on; users see properties and methods
FIELDS_FOR_TOPICS = {"crmkit.EventLog"}


def sections(docstring):
    """Split a numpydoc docstring into its opening and its sections by title."""
    lines = inspect.cleandoc(docstring).splitlines()
    found, title = {"": []}, ""
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and line.strip() and re.fullmatch(r"-{3,}", lines[i + 1]) and len(lines[i + 1]) == len(line):
            title = line.strip()
            found[title] = []
        elif not re.fullmatch(r"-{3,}", line):
            found[title].append(line)
    return found


def described(section):
    """Return the names a Parameters or Attributes section describes, in order."""
    heads = [line for line in section if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(" : ")[0].split(",")]


def signature_names(function):
    return [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_says_what_it_answers_in_one_line(name):
    summary = sections(FUNCTIONS[name].__doc__ or "")[""]
    assert summary, f"{name} has no docstring"
    assert summary[0].endswith((".", ":", "?")), summary[0]
    assert len(summary) == 1 or not summary[1], f"{name}: a blank line follows the summary"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_describes_its_parameters_in_the_order_of_its_signature(name):
    found = sections(FUNCTIONS[name].__doc__ or "")
    assert described(found.get("Parameters", [])) == signature_names(FUNCTIONS[name])


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_has_every_section_a_reader_looks_for(name):
    found = sections(FUNCTIONS[name].__doc__ or "")
    wanted = {"Returns", "Examples"}
    if signature_names(FUNCTIONS[name]) and name not in NEVER_RAISES:
        wanted.add("Raises")
    if inspect.signature(FUNCTIONS[name]).return_annotation in (None, "None"):
        wanted.discard("Returns")
    assert wanted <= set(found), f"{name} lacks {sorted(wanted - set(found))}"
    assert any(line.lstrip().startswith(">>> ") for line in found["Examples"]), f"{name}: its example cannot run"
    assert all("\n".join(found[title]).strip() for title in found), f"{name} has an empty section"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_claimed_formula_comes_with_its_paper_or_its_notes(name):
    docstring = FUNCTIONS[name].__doc__ or ""
    found = sections(docstring)
    if ":math:" in docstring or ".. math::" in docstring:
        assert "Notes" in found, f"{name}: formulas belong into Notes"
    if re.search(r"\(\d{4}\)", "\n".join(found.get("Notes", []))):
        assert "References" in found, f"{name} names a paper in Notes without a reference"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_class_describes_its_fields(name):
    kind = CLASSES[name]
    found = sections(kind.__doc__ or "")
    assert "".join(found[""]).strip(), f"{name} has no docstring"
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    described_here = set(described(found.get("Attributes", [])) + described(found.get("Parameters", [])))
    if name not in FIELDS_FOR_TOPICS:
        public_fields = {field for field in fields if not field.startswith("_")}
        assert public_fields <= described_here, f"{name} does not describe {sorted(public_fields - described_here)}"
    gone = {attribute for attribute in described_here if attribute not in fields and not hasattr(kind, attribute)}
    assert not gone, f"{name} describes {sorted(gone)}, which it does not have"
    for key, method in vars(kind).items():
        if not key.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(method, "__func__", method))):
            assert (inspect.getdoc(getattr(kind, key)) or "").strip(), f"{name}.{key} has no docstring"


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_the_reference_lists_every_public_name(module):
    page = reference.pages()[f"{module.removeprefix('crmkit.')}.rst"]
    for name in PUBLIC[module]:
        assert re.search(rf"(^   |\.){re.escape(name)}$", page, re.MULTILINE), f"{module}.{name} is not in the reference"


@pytest.mark.parametrize("module", sorted(set(PUBLIC) - {"crmkit"}))
def test_a_topic_says_what_it_is_for(module):
    assert (importlib.import_module(module).__doc__ or "").strip()


def test_every_example_has_its_place_among_those_a_newcomer_reads():
    order = load("reading_order")
    examples = [path.name for path in (ROOT / "examples").glob("plot_*.py")]
    assert sorted(f"plot_{name}.py" for name in order.ORDER) == sorted(examples)
    assert min(examples, key=order.place) == "plot_segments_and_values.py"


def shell_commands(document):
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def python_blocks(document):
    return re.findall(r"^```python\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readme_opens_with_the_report_and_the_tests():
    report, tests = shell_commands(ROOT / "README.md")[:2]
    assert report.endswith("python -m crmkit report")
    assert tests.endswith("-m nox -s tests")


# simulated purchases have ties, and the library says what it makes of them
@pytest.mark.filterwarnings("ignore::crmkit.errors.DataWarning")
@pytest.mark.parametrize("document", ["README.md"])
def test_the_python_of_a_document_runs(document):
    names = {}
    for block in python_blocks(ROOT / document):
        exec(compile(block, document, "exec"), names)
    assert names
