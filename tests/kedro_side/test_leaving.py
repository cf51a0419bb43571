"""How a worker's process ends: everything that a user would miss happens, and nothing else."""

from __future__ import annotations

import sys
import textwrap

import pytest

BEGINNING = """\
import sys
from kedro_pipes.leaving import leave

class Torn:
    def __del__(self):
        print("torn down")

torn = Torn()
"""


@pytest.fixture
def end(run_command, tmp_path):
    """Run code that then leaves with a code; return the finished process."""

    def run(code, *, exit_code=0, options=(), **environment):
        text = f"{BEGINNING}{textwrap.dedent(code)}\nsys.exit(leave({exit_code}))\n"
        (tmp_path / "program.py").write_text(text)
        command = [sys.executable, *options, "program.py"]
        return run_command(command, tmp_path, **environment)

    return run


@pytest.mark.parametrize("code", [0, 1, 2])
def test_exit_code(end, code):
    """The process ends with the code, and without the interpreter being taken down."""
    result = end("print('said'); read = open('program.py')", exit_code=code)

    assert (code, "said\n", "") == (result.returncode, result.stdout, result.stderr)


def test_order(end):
    """Threads of the node are waited for, then what is registered for the end is called."""
    result = end("""
        import atexit, threading, time
        atexit.register(print, "registered first")
        atexit.register(print, "registered last")
        threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
        threading.Thread(target=time.sleep, args=[60], daemon=True).start()
    """)

    assert ["thread", "registered last", "registered first"] == result.stdout.splitlines()


def test_pools(end):
    """What a pool of threads still has to do is done, as at the end of any program."""
    result = end("""
        import time
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        for number in range(3):
            pool.submit(lambda number=number: (time.sleep(0.05), print(number)))
    """)

    assert ["0", "1", "2"] == result.stdout.splitlines()


def test_child_processes(end):
    """Processes of `multiprocessing` are waited for."""
    result = end("""
        import multiprocessing, time
        def work():
            time.sleep(0.3)
            print("child")
        multiprocessing.get_context("fork").Process(target=work).start()
    """)

    assert "child" in result.stdout.splitlines()


def test_failing_callback(end):
    """A callback that fails is told and keeps no other from being called."""
    result = end("""
        import atexit
        atexit.register(print, "next")
        atexit.register(lambda: 1 / 0)
    """)

    assert (0, "next\n") == (result.returncode, result.stdout)
    assert "ZeroDivisionError" in result.stderr


def test_files(end, tmp_path):
    """A file that nobody has closed holds all that was written, and a temporary one is gone."""
    end("""
        import tempfile
        text, data = open("text", "w"), open("data", "wb")
        text.write("line"), data.write(b"bytes")
        kept = tempfile.NamedTemporaryFile(dir=".", prefix="temporary")
        folder = tempfile.TemporaryDirectory(dir=".", prefix="temporary")
    """)

    assert ("line", b"bytes") == (
        (tmp_path / "text").read_text(),
        (tmp_path / "data").read_bytes(),
    )
    assert [] == list(tmp_path.glob("temporary*"))


def test_logging_handlers(end, tmp_path):
    """Handlers of `logging` are flushed and closed."""
    end("""
        import logging, logging.handlers
        target = logging.FileHandler("log")
        buffer = logging.handlers.MemoryHandler(1000, target=target)
        logging.getLogger().addHandler(buffer)
        logging.warning("kept until the end")
    """)

    assert "kept until the end\n" == (tmp_path / "log").read_text()


def test_output_that_cannot_be_written(end):
    """Where standard output is lost, the exit code says so, as Python's own does."""
    result = end("sys.stdout = open('/dev/full', 'w'); print('lost')")

    assert 120 == result.returncode


def test_teardown_where_it_is_asked_for(end):
    """A variable has the interpreter taken down, for a library that needs that."""
    assert "torn down\n" == end("", KEDRO_PIPES_TEARDOWN="1").stdout


def test_profilers(end, tmp_path):
    """A profiler of the whole process gets to write its results."""
    end("", options=["-m", "cProfile", "-o", "profile"])

    assert (tmp_path / "profile").stat().st_size > 0
