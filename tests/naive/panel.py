"""The panel by the slow road: for every customer and cutoff, look at every order."""

import itertools
import statistics

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
            moments = [*sorted(past["timestamp"]), cutoff]
            gaps = [(b - a) / day for a, b in itertools.pairwise(moments)]
            row["gap_sd_days"] = statistics.pstdev(gaps)
            row["overdue_ratio"] = row["recency_days"] / row["mean_gap_days"]
            inside = {window.lower(): past[past["timestamp"] >= shifted(cutoff, "-" + window)] for window in windows}
            inside["total"] = past
            row |= {f"orders_{name}": len(those) for name, those in inside.items()}
            row |= {f"amount_{name}": those["amount"].sum() for name, those in inside.items()}
            row |= {f"mean_amount_{name}": those["amount"].mean() if len(those) else 0.0 for name, those in inside.items()}
            rising = sorted(windows, key=pd.Timedelta)
            for short, long in itertools.pairwise(rising):
                rates = [len(inside[name.lower()]) / pd.Timedelta(name).total_seconds() for name in (short, long)]
                row[f"trend_{short.lower()}_{long.lower()}"] = rates[0] / rates[1] if rates[1] else 0.0
            if horizon is not None:
                end = shifted(cutoff, horizon)
                after = own[(own["timestamp"] >= cutoff) & (own["timestamp"] < end)]
                row["label_end"], row["churned"] = end, after.empty
            rows.append(row)
    return rows


def contracts(table, cutoffs, horizon, returned):
    """Contracts (customer_id, start, end or NaT) as a list of dicts, by customer and cutoff: day by day would do the same."""
    day, rows = pd.Timedelta(days=1), []
    for customer, own in table.groupby("customer_id"):
        for cutoff in sorted(cutoffs):
            past = own[own["start"] < cutoff]
            here = past[past["end"].isna() | (past["end"] >= cutoff)]
            if here.empty:
                continue
            spells = covers(past.assign(end=past["end"].where(past["end"] < cutoff)))
            row = {"customer_id": customer, "cutoff": cutoff}
            row["tenure_days"] = (cutoff - past["start"].min()) / day
            row["spell_days"] = (cutoff - spells[-1][0]) / day
            row["contract_days"] = (cutoff - here["start"].max()) / day
            row["contracts"], row["in_force"], row["lapses"] = len(past), len(here), len(spells) - 1
            row["uncovered_days"] = sum(((b[0] - a[1]) / day for a, b in itertools.pairwise(spells)), 0.0)
            end = cutoff + pd.Timedelta(horizon)
            known = own[own["start"] < end]
            spell = next(spell for spell in covers(known) if spell[0] < cutoff and (spell[1] is None or spell[1] >= cutoff))
            back = known[known["end"].isna() | (known["end"] >= end)]
            lapsed = spell[1] is not None and spell[1] < end
            row["label_end"], row["churned"] = end, lapsed if returned == "churned" else back.empty
            rows.append(row)
    return rows


def covers(table):
    """Merge contracts that overlap or touch into [begin, end) of the cover; None: it runs on."""
    found = []
    ends = [None if pd.isna(end) else end for end in table["end"]]
    for begin, end in sorted(zip(table["start"], ends, strict=True), key=lambda pair: pair[0]):
        if found and (found[-1][1] is None or begin <= found[-1][1]):
            last = found[-1][1]
            found[-1][1] = None if last is None or end is None else max(last, end)
        else:
            found.append([begin, end])
    return found
