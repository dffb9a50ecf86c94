"""What each customer is likely to buy next."""

from crmkit.recommend.interactions import Interactions, interactions
from crmkit.recommend.item_knn import ItemKnn, fit_item_knn
from crmkit.recommend.top_items import top_items

__all__ = ["Interactions", "ItemKnn", "fit_item_knn", "interactions", "top_items"]
