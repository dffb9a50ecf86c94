"""Which items are bought together, and which rules follow from it."""

from crmkit.basket._itemsets import frequent_itemsets
from crmkit.basket._rules import rules

__all__ = ["frequent_itemsets", "rules"]
