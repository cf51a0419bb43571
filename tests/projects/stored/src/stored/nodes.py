"""What the nodes do."""


def make():
    """Return a table, a cached value, a text, and a model."""
    return {"b": 2, "a": 1}, [1, 2], "said aloud", {"slope": 3}


def read(*, table, cached, words, model):
    """Take the inputs by name, each as its dataset loads it."""
    return {"table": table, "cached": cached, "words": words, "model": model}


def say(everything):
    """Save nothing."""
    print(everything)


def nothing(everything):
    """Return an empty text and an empty list, which are data as well."""
    return "", everything["cached"][:0]


def split():
    """Return parts, each of which is made when it is saved."""
    return {f"part_{number}": lambda number=number: {"number": number} for number in range(3)}


def join(parts):
    """Load each part, in order."""
    return [parts[name]()["number"] for name in sorted(parts)]


def stream(numbers):
    """Yield a line and a note for each number, and the number."""
    for number in numbers:
        yield f"line {number}\n", f"note {number}\n", number


def count_lines(lines, notes, last):
    """Count what was streamed; memory holds the last chunk only."""
    return [len(lines.splitlines()), notes, last]


def read_new(inbox):
    """Return what is new in the inbox."""
    return {name: message["text"] for name, message in sorted(inbox.items())}


def answer(messages):
    """Answer each message; only then may it be ticked off."""
    return {name: f"re: {text}" for name, text in messages.items()}


def begin():
    """Return the start of a chain."""
    return {"links": ["first"]}


def extend(chain):
    """Return a chain that is longer by one."""
    return {"links": [*chain["links"], "next"]}
