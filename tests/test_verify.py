"""The self-check: every figure as published, and a miss that is seen."""

import dataclasses

import mpmath
import pytest

from crmkit import _verify as verify
from crmkit.__main__ import main
from crmkit._verify import exact
from crmkit._verify.digits import DIGITS
from naive import exact as naive


def test_every_figure_is_as_published(capsys):
    assert main(["verify"]) == 0
    printed = capsys.readouterr().out
    assert "0 of them not as published" in printed
    assert "BG/NBD" in printed


def test_a_miss_is_seen(capsys, monkeypatch):
    for one in (next(verify.published.checks()), next(exact.checks())):
        moved = dataclasses.replace(one, here=one.here * (1 + 1e-3))
        monkeypatch.setattr(verify, "checks", lambda moved=moved: iter([moved]))
        assert main(["verify"]) == 1
        assert "NOT AS PUBLISHED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("published", "here", "within", "agrees"),
    [
        ("1.23", 1.2349, None, True),
        ("1.23", 1.2351, None, False),
        ("4", 4.0, None, True),
        ("-1611.2", -1611.16, None, True),
        ("1", float("nan"), None, False),
        ("0.1", 0.1, 1e-16, True),
        ("0.10000000000000000000000000001", 0.1 + 1e-12, 1e-12, False),
        ("0.1", float("inf"), 1e-3, False),
    ],
)
def test_a_figure_agrees_to_the_digits_that_are_known(published, here, within, agrees):
    assert verify.Check("x", "y", published, here, within).agrees is agrees


@mpmath.workdps(naive.DIGITS_KEPT)
def test_the_digits_are_those_of_the_definitions():
    """All but an integral of integrals, which takes seconds."""
    again = {}
    for topic in (
        naive.lifetime_value,
        naive.special,
        naive.intervals,
        naive.experiments,
        naive.survival,
        naive.metrics,
        naive.others,
    ):
        for name, value in topic():
            again[name] = mpmath.nstr(value, 50, strip_zeros=False)
            if name == "Welch's t, p-value":
                break
    assert set(DIGITS) - set(again) == {"Pocock's bound of two looks"}
    assert again == {name: DIGITS[name] for name in again}


def test_inputs_are_the_same_here_and_there():
    for name in ("BG", "PARETO", "BG_BB", "CONTRACTS", "ARMS", "REMISSION", "RELAPSED", "PLACEBO", "Y", "P"):
        assert getattr(exact, name) == getattr(naive, name)
