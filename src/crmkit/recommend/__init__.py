"""What each customer is likely to buy next."""

from crmkit.recommend._interactions import Interactions, interactions
from crmkit.recommend._top_items import top_items
from crmkit.recommend.ease import Ease, fit_ease
from crmkit.recommend.item_knn import ItemKnn, fit_item_knn
from crmkit.recommend.popularity import Frequency, Popularity, fit_frequency, fit_popularity

__all__ = [
    "Ease",
    "Frequency",
    "Interactions",
    "ItemKnn",
    "Popularity",
    "fit_ease",
    "fit_frequency",
    "fit_item_knn",
    "fit_popularity",
    "interactions",
    "top_items",
]
