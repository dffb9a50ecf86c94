"""The panel by the slow road: for every customer and cutoff, look at every order."""

import pandas as pd


def shifted(moment, length):
    """Whole days move the date on the wall clock; other lengths are elapsed time."""
    length = pd.Timedelta(length)
    if length % pd.Timedelta(days=1) == pd.Timedelta(0):
        wall = moment.tz_localize(None) + length
        return wall if moment.tz is None else wall.tz_localize(moment.tz, ambiguous=True, nonexistent="shift_forward")
    return moment + length


def panel(orders, cutoffs, horizon, windows):
    """Orders (customer_id, timestamp, amount; one row per order) as a list of dicts, by customer and cutoff."""
    day, rows = pd.Timedelta(days=1), []
    for customer, own in orders.groupby("customer_id"):
        for cutoff in sorted(cutoffs):
            past = own[own["timestamp"] < cutoff]
            if past.empty:
                continue
            row = {"customer_id": customer, "cutoff": cutoff}
            row["recency_days"] = (cutoff - past["timestamp"].max()) / day
            row["tenure_days"] = (cutoff - past["timestamp"].min()) / day
            row["mean_gap_days"] = row["tenure_days"] / len(past)
            row["overdue_ratio"] = row["recency_days"] / row["mean_gap_days"]
            for window in windows:
                inside = past[past["timestamp"] >= shifted(cutoff, "-" + window)]
                row[f"orders_{window.lower()}"] = len(inside)
                row[f"amount_{window.lower()}"] = inside["amount"].sum()
            row["orders_total"], row["amount_total"] = len(past), past["amount"].sum()
            if horizon is not None:
                end = shifted(cutoff, horizon)
                after = own[(own["timestamp"] >= cutoff) & (own["timestamp"] < end)]
                row["label_end"], row["churned"] = end, after.empty
            rows.append(row)
    return rows
