"""What each customer is likely to buy next."""

from crmkit.recommend._evaluate import Evaluation, evaluate
from crmkit.recommend._interactions import Interactions, interactions
from crmkit.recommend._split import Split, split_by_time, split_customers, split_last
from crmkit.recommend._top_items import top_items
from crmkit.recommend.ease import Ease, fit_ease
from crmkit.recommend.item_knn import ItemKnn, fit_item_knn
from crmkit.recommend.popularity import Frequency, Popularity, fit_frequency, fit_popularity

__all__ = [
    "Ease",
    "Evaluation",
    "Frequency",
    "Interactions",
    "ItemKnn",
    "Popularity",
    "Split",
    "evaluate",
    "fit_ease",
    "fit_frequency",
    "fit_item_knn",
    "fit_popularity",
    "interactions",
    "split_by_time",
    "split_customers",
    "split_last",
    "top_items",
]
