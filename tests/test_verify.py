"""The self-check: every figure as published, and a miss that is seen."""

import dataclasses

import pytest

from crmkit.__main__ import main
from crmkit._report import verify


def test_every_figure_is_as_published(capsys):
    assert main(["verify"]) == 0
    printed = capsys.readouterr().out
    assert "0 of them not as published" in printed
    assert "BG/NBD" in printed


def test_a_miss_is_seen(capsys, monkeypatch):
    one = next(verify.checks())
    monkeypatch.setattr(verify, "checks", lambda: iter([dataclasses.replace(one, here=one.here + 0.001)]))
    assert main(["verify"]) == 1
    assert "NOT AS PUBLISHED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("published", "here", "agrees"),
    [("1.23", 1.2349, True), ("1.23", 1.2351, False), ("4", 4.0, True), ("-1611.2", -1611.16, True), ("1", float("nan"), False)],
)
def test_a_figure_agrees_to_the_digits_that_were_printed(published, here, agrees):
    assert verify.Check("x", "y", published, here).agrees is agrees
