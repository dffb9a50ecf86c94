"""Which records are the same person: normal forms, string measures, candidate pairs, probabilistic linkage, clusters."""

from crmkit.dedupe._assign import Assignment, assign_ids
from crmkit.dedupe._cluster import Clusters, cluster_pairs
from crmkit.dedupe._deduplicate import Deduplication, deduplicate
from crmkit.dedupe._evaluate import ClusterEvaluation, evaluate_clusters
from crmkit.dedupe._golden import Golden, golden_records
from crmkit.dedupe._link import Linkage, link
from crmkit.dedupe._quality import Quality
from crmkit.dedupe._steps import candidate_pairs, compare_pairs, explain_pair, score_pairs, uncertain_pairs
from crmkit.dedupe._train import fit_fellegi_sunter
from crmkit.dedupe.model import FellegiSunter
from crmkit.dedupe.normalize import normalize_address, normalize_date, normalize_email, normalize_name, normalize_phone
from crmkit.dedupe.strings import jaro_winkler, levenshtein, nysiis, osa, soundex

__all__ = [
    "Assignment",
    "ClusterEvaluation",
    "Clusters",
    "Deduplication",
    "FellegiSunter",
    "Golden",
    "Linkage",
    "Quality",
    "assign_ids",
    "candidate_pairs",
    "cluster_pairs",
    "compare_pairs",
    "deduplicate",
    "evaluate_clusters",
    "explain_pair",
    "fit_fellegi_sunter",
    "golden_records",
    "jaro_winkler",
    "levenshtein",
    "link",
    "normalize_address",
    "normalize_date",
    "normalize_email",
    "normalize_name",
    "normalize_phone",
    "nysiis",
    "osa",
    "score_pairs",
    "soundex",
    "uncertain_pairs",
]
