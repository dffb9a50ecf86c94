"""The event log by the slow road: Python dictionaries, one row at a time."""

ROUNDING = 1e-9


def orders(rows, *, refunds="subtract", named=True):
    """List each customer's purchases as (moment, amount), after refunds, and what refunds could not be taken off.

    `rows` are (customer, moment, amount, order) in file order; `named` tells whether orders have ids of their own.
    """
    rows = [row for row in rows if row[2] >= 0 or refunds == "subtract"]
    result, short = {}, 0.0
    for customer in {row[0] for row in rows}:
        mine = sorted((row for row in rows if row[0] == customer), key=lambda row: (row[1], row[3]))
        gross, moment = {}, {}
        for _, when, amount, order in mine:
            if amount >= 0:
                gross[order] = gross.get(order, 0.0) + amount
                moment.setdefault(order, when)
        sequence = sorted(gross, key=lambda order: (moment[order], order))
        net = dict(gross)
        for _, when, amount, order in mine:
            if amount >= 0:
                continue
            left = -amount
            if order in net:
                taken = min(left, net[order])
                net[order] -= taken
                left -= taken
            if order not in net or not named:
                for earlier in reversed([o for o in sequence if moment[o] <= when]):
                    taken = min(left, net[earlier])
                    net[earlier] -= taken
                    left -= taken
            if left > ROUNDING * -amount:
                short += left
        kept = [o for o in sequence if not (net[o] < gross[o] and net[o] <= ROUNDING * gross[o])]
        result[customer] = [(moment[o], net[o]) for o in kept]
    return result, short
