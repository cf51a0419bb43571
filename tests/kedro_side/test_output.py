"""What a worker's streams carry, whoever writes to them: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from kedro_manifest.output_marks import MarkReader

BEGIN = """
import contextlib, io, logging, os, sys
from kedro_pipes.worker.output import MarkedOutput, flush_native_output

last = [1]
output = MarkedOutput(lambda: last[0])
output.replace_streams()
"""


@pytest.fixture
def lines():
    """Run some code with marked streams; return the lines of standard output."""

    def run(code, *options):
        program = BEGIN + textwrap.dedent(code)
        command = [sys.executable, *options, "-c", program]
        result = subprocess.run(command, capture_output=True, timeout=60, check=False)
        errors = [each.text for each in MarkReader().read(result.stderr)]
        assert (0, "") == (result.returncode, "".join(errors))
        reader = MarkReader()
        return [each for line in result.stdout.split(b"\n")[:-1] for each in reader.read(line)]

    return run


@pytest.mark.parametrize("options", [[], ["-u"]])
def test_nodes_and_messages(lines, options):
    """A line has the node that runs, or printed it, and the last message, buffered or not."""
    found = lines(
        """
        output.begin_node("a")
        print("of a")
        last[0] = 2
        print("later")
        output.begin_node("b")
        print("of whom")
        output.node_of_thread = lambda: "b"
        print("of b")
        os.write(1, b"native\\n")
        output.end_node("a")
        os.write(1, b"native of b\\n")
        """,
        *options,
    )

    assert [
        ("of a", "a", 1),
        ("later", "a", 2),
        ("of whom", None, 2),
        ("of b", "b", 2),
        ("native", None, 2),
        ("native of b", "b", 2),
    ] == [(each.untold, each.node, each.after) for each in found]


def test_copies_of_records(lines):
    """What a handler writes is a copy, however it writes, of a record that is told elsewhere."""
    found = lines(
        """
        class Printing(logging.Handler):
            def emit(self, record):
                print("printed:", record.getMessage())

        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        logging.getLogger().addHandler(Printing())
        output.is_forwarded = lambda record: record.name == "told"
        logging.getLogger("told").warning("one\\n\\ntwo")
        logging.getLogger("untold").warning("three")
        """
    )

    assert ["one", "", "two", "printed: one", "", "two", "three", "printed: three"] == [
        each.text for each in found
    ]
    assert ["three", "printed: three"] == [each.untold for each in found if each.untold]


def test_streams_that_nodes_handle(lines):
    """Redirected, closed, dropped or forked: nothing raises, and no mark leaks into a value."""
    found = lines(
        """
        with contextlib.redirect_stdout(io.StringIO()) as caught:
            print("caught")
        assert caught.getvalue() == "caught\\n"
        assert print("€", flush=True) is None and sys.stdout.write("four\\n") == 5
        sys.stdout.writelines(["a", "b\\n"])
        if os.fork() == 0:
            print("of a child")
            os._exit(0)
        os.wait()
        stream, sys.stdout = sys.stdout, io.StringIO()
        del stream
        output.begin_node("n")
        os.write(1, b"still open\\n")
        """,
        "-X",
        "utf8",
    )

    assert ["€", "four", "ab", "of a child", "still open"] == [each.untold for each in found]


def test_native_buffers(lines):
    """What C code holds back is let go before the next node begins."""
    found = lines(
        """
        import ctypes
        output.begin_node("a")
        ctypes.CDLL(None).puts(b"held back")
        flush_native_output()
        output.end_node("a")
        output.begin_node("b")
        """
    )

    assert [("held back", "a")] == [(each.untold, each.node) for each in found]
