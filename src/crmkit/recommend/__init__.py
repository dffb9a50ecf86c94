"""What each customer is likely to buy next."""

from crmkit.recommend._interactions import Interactions, interactions
from crmkit.recommend._top_items import top_items
from crmkit.recommend.item_knn import ItemKnn, fit_item_knn

__all__ = ["Interactions", "ItemKnn", "fit_item_knn", "interactions", "top_items"]
