"""Learning a probability from a table: columns to numbers, one calibrated model, and scores on rows it has not seen."""

from crmkit._learn._boosting import Boosting, pack, tree_columns, unpack
from crmkit._learn._calibrate import METHODS, Calibration
from crmkit._learn._choose import BLEND, KINDS, Choice, Matrix, auc, choose, fit_kind
from crmkit._learn._columns import (
    MEAN_OF_SEEN,
    MISSING,
    UNSEEN,
    Table,
    read_as,
    read_features,
    read_label,
    refuse_missing,
)
from crmkit._learn._folds import Fold, content_order, later_folds, stratified_folds
from crmkit._learn._logistic import PENALTY, Logistic, fit_logistic, losses, probability

__all__ = [
    "BLEND",
    "KINDS",
    "MEAN_OF_SEEN",
    "METHODS",
    "MISSING",
    "PENALTY",
    "UNSEEN",
    "Boosting",
    "Calibration",
    "Choice",
    "Fold",
    "Logistic",
    "Matrix",
    "Table",
    "auc",
    "choose",
    "content_order",
    "fit_kind",
    "fit_logistic",
    "later_folds",
    "losses",
    "pack",
    "probability",
    "read_as",
    "read_features",
    "read_label",
    "refuse_missing",
    "stratified_folds",
    "tree_columns",
    "unpack",
]
