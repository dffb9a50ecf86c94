"""Which records are the same person: string measures, candidate pairs, probabilistic linkage, clusters."""

from crmkit.dedupe._deduplicate import Deduplication, deduplicate
from crmkit.dedupe.model import FellegiSunter
from crmkit.dedupe.strings import jaro_winkler, levenshtein

__all__ = ["Deduplication", "FellegiSunter", "deduplicate", "jaro_winkler", "levenshtein"]
