"""Processor time and memory of what a process does from some moment on."""

import sys
import time

import pytest
from kedro_pipes.worker.usage import Usage

LARGE = 200 * 2**20


def test_processor_time():
    """Waiting takes none."""
    usage = Usage()
    time.sleep(0.2)
    waited = usage.cpu_s()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass

    assert waited < 0.1
    assert 0.15 < usage.cpu_s() < 1


@pytest.mark.skipif(
    sys.platform != "linux", reason="Only Linux lets the mark be set back: run it there."
)
def test_memory():
    """What was taken before is not counted; what is taken and given back since then is."""
    before = bytearray(LARGE)
    del before
    usage = Usage()
    small = usage.peak_memory_bytes()
    meanwhile = bytearray(LARGE)
    del meanwhile

    assert usage.peak_memory_bytes() - small > 0.9 * LARGE
