"""What the nodes do. Each makes the months that it is told of, or all of them."""


def split(orders, months):
    """Return the amounts of each month."""
    return {
        month: [order["amount"] for order in orders if order["month"] == month]
        for month in months or sorted({order["month"] for order in orders})
    }


def split_later(orders, months):
    """Return a function for each month, which is called while the dataset saves."""
    return {
        month: lambda amounts=amounts: amounts for month, amounts in split(orders, months).items()
    }


def split_by_and_by(orders, months, fail_at):
    """Yield one month after the other; fail at one of them."""
    for month, amounts in split(orders, months).items():
        if month == fail_at:
            raise ValueError(f"no orders of {month}")
        yield {month: amounts}


def add_up(orders, months):
    """Return what was sold in these months."""
    return sum(sum(amounts) for amounts in split(orders, months).values())


def fit(total):
    """Return a model of the total."""
    return {"of": total}


def judge(model, key):
    """Say which model was loaded for which slice."""
    return {"model": model["of"], "key": key}


def summarise(amounts):
    """Return the total of every month that is there."""
    return {month: sum(load()) for month, load in sorted(amounts.items())}
