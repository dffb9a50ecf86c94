"""Cohort tables and growth accounting by dictionaries and sets, one customer and one period at a time."""

import datetime as dt
from fractions import Fraction


def period_of(day, period):
    """The first day of the calendar period that holds `day`."""
    if period == "W":
        return day - dt.timedelta(days=day.weekday())
    if period == "D":
        return day
    month = {"M": day.month, "Q": 3 * ((day.month - 1) // 3) + 1, "Y": 1}[period]
    return dt.date(day.year, month, 1)


def following(start, period):
    """The first day of the period after the one that begins on `start`."""
    return period_of(start + dt.timedelta(days={"D": 1, "W": 7, "M": 31, "Q": 92, "Y": 366}[period]), period)


def calendar(first, last, period):
    """All periods from that of day `first` to that of day `last`."""
    periods = [period_of(first, period)]
    while following(periods[-1], period) <= last:
        periods.append(following(periods[-1], period))
    return periods


def retention(rows, *, period, as_of, method="classic", brackets=None, since=None):
    """`rows` are (customer, day); returns (cohort, slot) -> (n, active, mature)."""
    days = {}
    for customer, day in rows:
        days.setdefault(customer, set()).add(day)
    start = since or {customer: min(done) for customer, done in days.items()}
    start = {customer: day for customer, day in start.items() if day <= as_of}
    periods = calendar(min(start.values()), as_of, period)
    table = {}
    for c, cohort in enumerate(periods):
        members = [customer for customer, day in start.items() if period_of(day, period) == cohort]
        if not members:
            continue
        ages = {}
        for customer in members:
            seen = {period_of(day, period) for day in days.get(customer, ())}
            ages[customer] = {periods.index(p) - c for p in seen if p >= cohort}
        for first, last in brackets or [(age, age) for age in range(len(periods))]:
            if c + first >= len(periods):
                continue
            if method == "unbounded":
                active = sum(any(age >= first for age in ages[customer]) for customer in members)
            else:
                active = sum(any(first <= age <= last for age in ages[customer]) for customer in members)
            end = cohort
            for _ in range(last + 1):
                end = following(end, period)
            table[cohort, first] = (len(members), active, end <= as_of + dt.timedelta(days=1))
    return table


def revenue(rows, *, period, as_of, measure):
    """`rows` are (customer, day, amount); returns (cohort, age) -> (value, squared standard error) in fractions."""
    spent = {}
    for customer, day, amount in rows:
        mine = spent.setdefault(customer, {})
        mine[period_of(day, period)] = mine.get(period_of(day, period), Fraction(0)) + Fraction(amount)
    start = {customer: min(mine) for customer, mine in spent.items()}
    periods = calendar(min(start.values()), as_of, period)
    table = {}
    for c, cohort in enumerate(periods):
        members = [customer for customer in spent if start[customer] == cohort]
        n = len(members)
        for age in range(len(periods) - c if members else 0):
            x = [spent[customer].get(cohort, Fraction(0)) for customer in members]
            y = [spent[customer].get(periods[c + age], Fraction(0)) for customer in members]
            if measure == "gross_revenue":
                y = [min(pair) for pair in zip(x, y, strict=True)]
            if measure == "cumulative_revenue":
                y = [sum(spent[customer].get(p, Fraction(0)) for p in periods[c : c + age + 1]) for customer in members]
                x = [Fraction(1)] * n
            if sum(x) == 0:
                table[cohort, age] = (None, None)
                continue
            ratio = sum(y) / sum(x)
            variation = sum((b - ratio * a) ** 2 for a, b in zip(x, y, strict=True))
            certain = age == 0 and measure != "cumulative_revenue"
            variance = Fraction(0) if certain else None if n == 1 else Fraction(n, n - 1) * variation / sum(x) ** 2
            table[cohort, age] = (ratio, variance)
    return table


def growth(active_days, periods, closes):
    """`active_days(customer, close)` says who is a customer at a close; returns a row per period after the first."""
    rows = []
    for i in range(1, len(periods)):
        before = {customer for customer, active in active_days.items() if active(closes[i - 1], periods[i - 1])}
        now = {customer for customer, active in active_days.items() if active(closes[i], periods[i])}
        earlier = set()
        for j in range(i):
            earlier |= {customer for customer, active in active_days.items() if active(closes[j], periods[j])}
        rows.append(
            {
                "n": len(before),
                "retained": len(before & now),
                "churned": len(before - now),
                "new": len(now - earlier),
                "resurrected": len((now - before) & earlier),
                "active": len(now),
            }
        )
    return rows
