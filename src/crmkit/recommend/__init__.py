"""What each customer is likely to buy next."""

from crmkit.recommend._evaluate import Evaluation, evaluate
from crmkit.recommend._explain import explain
from crmkit.recommend._interactions import Interactions, interactions
from crmkit.recommend._save import load, save
from crmkit.recommend._similar import similar_items
from crmkit.recommend._split import Split, split_by_time, split_customers, split_last
from crmkit.recommend._top_items import top_items
from crmkit.recommend.als import Als, fit_als
from crmkit.recommend.ease import Ease, fit_ease
from crmkit.recommend.item_knn import ItemKnn, fit_item_knn
from crmkit.recommend.popularity import Frequency, Popularity, fit_frequency, fit_popularity
from crmkit.recommend.ratings import Ratings, fit_ratings, predict_ratings
from crmkit.recommend.user_knn import UserKnn, fit_user_knn

__all__ = [
    "Als",
    "Ease",
    "Evaluation",
    "Frequency",
    "Interactions",
    "ItemKnn",
    "Popularity",
    "Ratings",
    "Split",
    "UserKnn",
    "evaluate",
    "explain",
    "fit_als",
    "fit_ease",
    "fit_frequency",
    "fit_item_knn",
    "fit_popularity",
    "fit_ratings",
    "fit_user_knn",
    "interactions",
    "load",
    "predict_ratings",
    "save",
    "similar_items",
    "split_by_time",
    "split_customers",
    "split_last",
    "top_items",
]
