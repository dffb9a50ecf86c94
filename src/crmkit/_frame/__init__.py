"""The edge where DataFrames are met: columns in as checked arrays, arrays out as frames of the kind that came."""

from crmkit._frame._arms import Arms, arms
from crmkit._frame._batches import as_record_batch, record_batch_as_table, schema_of
from crmkit._frame._features import (
    chosen_features,
    far_bounds,
    holds_numbers,
    range_of,
    reads_as_number,
    warn_of_far,
    warn_of_unseen,
)
from crmkit._frame._groups import Groups, groups
from crmkit._frame._ids import Ids, Labelled, Labels, encode, ids
from crmkit._frame._lazy import Lazy, expressions, is_lazy, read_lazy
from crmkit._frame._numbers import flags, numbers, readonly
from crmkit._frame._out import Categories, Moments, is_frame, listed, per_label, rows_like, series_like, table
from crmkit._frame._read import Frame, as_pandas, first_place, is_numbered, read, rows_are
from crmkit._frame._store import labels_from_plain, labels_to_plain, moment_from_plain, moment_to_plain
from crmkit._frame._text import Text, text
from crmkit._frame._time import Clock, Times, times, wall_order

__all__ = [
    "Arms",
    "Categories",
    "Clock",
    "Frame",
    "Groups",
    "Ids",
    "Labelled",
    "Labels",
    "Lazy",
    "Moments",
    "Text",
    "Times",
    "arms",
    "as_pandas",
    "as_record_batch",
    "chosen_features",
    "encode",
    "expressions",
    "far_bounds",
    "first_place",
    "flags",
    "groups",
    "holds_numbers",
    "ids",
    "is_frame",
    "is_lazy",
    "is_numbered",
    "labels_from_plain",
    "labels_to_plain",
    "listed",
    "moment_from_plain",
    "moment_to_plain",
    "numbers",
    "per_label",
    "range_of",
    "read",
    "read_lazy",
    "readonly",
    "reads_as_number",
    "record_batch_as_table",
    "rows_are",
    "rows_like",
    "schema_of",
    "series_like",
    "table",
    "text",
    "times",
    "wall_order",
    "warn_of_far",
    "warn_of_unseen",
]
