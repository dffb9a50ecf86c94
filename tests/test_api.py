"""The public names and their signatures, as a snapshot: what users rely on changes on purpose or not at all.

After a deliberate change, `python tests/test_api.py` writes the snapshot anew; read its difference before committing it.
"""

import inspect
import json
import tomllib
import types
from pathlib import Path

import pytest

import crmkit

SNAPSHOT = Path(__file__).parent / "api.json"


def public():
    """Every public name with its signature: topic functions, classes, their public methods and fields."""
    names = {}
    for top in sorted(set(crmkit.__all__) - {"__version__"}):
        thing = getattr(crmkit, top)
        if isinstance(thing, types.ModuleType):
            for name in sorted(thing.__all__):
                names.update(described(f"{top}.{name}", getattr(thing, name)))
        else:
            names.update(described(top, thing))
    return names


def described(name, thing):
    if inspect.isclass(thing):
        members = {
            f"{name}.{key}": signature(value)
            for key, value in sorted(vars(thing).items())
            if not key.startswith("_") and (callable(value) or isinstance(value, (property, classmethod)))
        }
        fields = getattr(thing, "__dataclass_fields__", {})
        return {name: f"class({', '.join(f for f in fields if not f.startswith('_'))})", **members}
    return {name: signature(thing)}


def signature(thing):
    if isinstance(thing, property):
        return "property"
    if isinstance(thing, classmethod):
        thing = thing.__func__
    if not callable(thing):
        return type(thing).__name__
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(thing).parameters.values()]
    return str(inspect.Signature(parameters))


def test_public_names_and_signatures_are_those_of_the_snapshot():
    assert public() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_package_and_the_namespace_tell_one_version():
    project = tomllib.loads((SNAPSHOT.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == crmkit.__version__
    assert f"## [{crmkit.__version__}]" in (SNAPSHOT.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_public_name_is_listed_and_reachable():
    assert sorted(crmkit.__all__) == list(crmkit.__all__)
    assert set(dir(crmkit)) == set(crmkit.__all__)
    for name in crmkit.__all__:
        assert getattr(crmkit, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'rfmm'"):
        _ = crmkit.rfmm


def test_a_function_of_the_namespace_is_never_hidden_by_a_module():
    import crmkit._events

    assert inspect.isfunction(crmkit.events)


def test_a_function_of_a_topic_is_never_hidden_by_a_module_of_its_name():
    for top in set(crmkit.__all__) - {"__version__"}:
        topic = getattr(crmkit, top)
        if hasattr(topic, "__path__"):
            files = {path.stem for folder in topic.__path__ for path in Path(folder).glob("*.py")}
            clash = {name for name in topic.__all__ if name in files and not isinstance(getattr(topic, name), types.ModuleType)}
            assert not clash, f"{top}: rename the modules {clash}, importing them could replace the functions"


def test_data_come_first_and_options_by_keyword():
    """Data and model arguments are positional-only; the calls that a newcomer makes first are the exceptions."""
    free = {
        "clv.fit_bg_nbd",
        "clv.fit_gamma_gamma",
        "intervals.wilson",
        "clv.expected_purchases",
        "dedupe.deduplicate",
        "feedback.nps",
        "recommend.interactions",
        "recommend.top_items",
        "rfm.segment",
    }
    for top in set(crmkit.__all__) - {"__version__", "errors", "results", "datasets", "plot"}:
        thing = getattr(crmkit, top)
        functions = (
            {f"{top}.{n}": getattr(thing, n) for n in thing.__all__} if isinstance(thing, types.ModuleType) else {top: thing}
        )
        for name, function in functions.items():
            if not inspect.isfunction(function) or name in free:
                continue
            kinds = [p.kind for p in inspect.signature(function).parameters.values()]
            assert inspect.Parameter.POSITIONAL_OR_KEYWORD not in kinds, name


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(public(), indent=1) + "\n", encoding="utf-8")
