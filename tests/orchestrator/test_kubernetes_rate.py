"""Requests to a cluster stay below a number in a second, whoever asks."""

import threading
import time

from dagster_kedro.clients.kubernetes.rate import RateLimit

PER_S = 100


def waited_s(limit, count, *, is_urgent=False):
    """Let so many threads wait for their turn at once; return how long that took."""
    threads = [
        threading.Thread(target=limit.wait, kwargs={"is_urgent": is_urgent}) for _ in range(count)
    ]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began_s


def test_the_limit_holds_for_all_threads_together():
    """After the first second's worth, no more get through than the limit says."""
    assert 0.45 < waited_s(RateLimit(PER_S), PER_S + 50) < 1.5


def test_a_few_do_not_wait():
    """What stays below the limit loses no time."""
    assert waited_s(RateLimit(PER_S), 20) < 0.2


def test_who_is_urgent_waits_for_no_queue():
    """A beat of a lease gets through while hundreds of others still wait."""
    limit = RateLimit(PER_S)
    crowd = threading.Thread(target=waited_s, args=(limit, 3 * PER_S))
    crowd.start()
    time.sleep(0.2)

    assert waited_s(limit, 1, is_urgent=True) < 0.2
    assert crowd.is_alive()
    crowd.join()
