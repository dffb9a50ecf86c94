"""Deduplication of contacts, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Deduplication"
ABOUT = """\
From strings in pandas to clusters at a probability of 0.95, without labels: simulated contacts in lower case, one record in
five a duplicate. Both compare the same eight fields on the same levels (exact; Jaro-Winkler of 0.92 or 0.95, and 0.88; one
edit, or two), make pairs by the same nine rules, learn u from a million random pairs, and adjust names for their frequency.
splink 5 on DuckDB runs its EM on three rules, two million pairs at most. crmkit learns from all pairs and also estimates
the quality of its result."""

SIZES = {"200,000 rows": {"rows": 200_000}, "1,000,000 rows": {"rows": 1_000_000}}
SMALL = {"rows": 5_000}
ROUNDS = 5

NAMES = ("first_name", "last_name")
LEVELS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "first_name": ("name", "jaro_winkler", (0.92, 0.88)),
    "last_name": ("name", "jaro_winkler", (0.92, 0.88)),
    "date_of_birth": ("date", "osa", (1,)),
    "email": ("email", "jaro_winkler", (0.92, 0.88)),
    "phone": ("phone", "levenshtein", (1, 2)),
    "street": ("address", "jaro_winkler", (0.95, 0.88)),
    "postcode": ("id", "levenshtein", (1, 2)),
    "city": ("text", "jaro_winkler", (0.92, 0.88)),
}
RULES = [
    ("email",),
    ("phone",),
    ("first_name", "last_name"),
    ("last_name", "date_of_birth"),
    ("first_name", "date_of_birth"),
    ("date_of_birth", "postcode"),
    ("first_name", "street"),
    ("last_name", "street"),
    ("first_name", "postcode"),
]
CERTAIN = [("first_name", "last_name", "date_of_birth"), ("email",)]
TAUGHT_BY = [("first_name", "last_name"), ("date_of_birth", "postcode"), ("email",)]


def write(folder: Path, *, rows: int) -> int:
    """Write contacts as both libraries compare them; return the bytes of their columns."""
    from crmkit import datasets

    records = datasets.make_records(n_records=rows, duplicates=0.2, rng=1).records[list(LEVELS)].reset_index(drop=True)
    for column in records:
        records[column] = records[column].str.lower().str.strip()
    records["phone"] = records["phone"].str.replace(r"\D", "", regex=True)
    records.to_parquet(folder / "contacts.parquet", index=False)
    return int(records.memory_usage(index=False, deep=True).sum())


def read(folder: Path) -> Any:
    """Return the contacts, numbered."""
    import pandas as pd

    return pd.read_parquet(folder / "contacts.parquet")


def crmkit(folder: Path) -> dict[str, Call]:
    """Time one call."""
    from crmkit import dedupe

    records = read(folder)
    fields = {name: (kind, ["exact", *((measure, cut) for cut in cuts)]) for name, (kind, measure, cuts) in LEVELS.items()}
    return {"deduplicate": lambda: dedupe.deduplicate(records, fields, RULES, term_frequency=NAMES).clusters}


def splink(folder: Path) -> dict[str, Call]:
    """Time all steps together, in a new database."""
    import logging

    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.disable(logging.CRITICAL)
    records = read(folder).rename_axis("unique_id").reset_index()
    kinds = {
        "jaro_winkler": cl.JaroWinklerAtThresholds,
        "osa": cl.DamerauLevenshteinAtThresholds,
        "levenshtein": cl.LevenshteinAtThresholds,
    }

    def deduplicate() -> Any:
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=[
                kinds[measure](name, list(cuts)).configure(term_frequency_adjustments=name in NAMES)
                for name, (_, measure, cuts) in LEVELS.items()
            ],
            blocking_rules_to_generate_predictions=[block_on(*rule) for rule in RULES],
            retain_intermediate_calculation_columns=False,
            retain_matching_columns=False,
        )
        linker = Linker(DuckDBAPI().register(records), settings)
        linker.training.estimate_probability_two_random_records_match([block_on(*rule) for rule in CERTAIN], recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        for rule in TAUGHT_BY:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule), max_pairs=2e6)
        pairs = linker.inference.predict(threshold_match_probability=0.2)
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.95)
        return clusters.as_pandas_dataframe()

    return {"deduplicate": deduplicate}


LIBRARIES = {"crmkit": (OURS, crmkit), "splink": (PEERS, splink)}


def aims(size: str) -> list[Aim]:
    """Compare the whole way."""
    return [Aim("crmkit / splink", ("crmkit", "deduplicate"), ("splink", "deduplicate"), at_most=1 / 1.5)]
