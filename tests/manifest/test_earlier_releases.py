"""What conductors of every release so far were told, and have said; see tools/freeze_release.py."""

import json
from pathlib import Path

import pytest
from kedro_manifest.conducting import decode_answer, decode_order, encode_packet

FILES = sorted((Path(__file__).parents[1] / "fixtures").glob("*/packets.jsonl"))
ORDERS = {"Fork", "Forget", "Finish"}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_packets(file):
    """Each is still understood, with all that it says."""
    packets = file.read_bytes().splitlines()
    said = list(map(json.loads, packets))

    for packet, then in zip(packets, said, strict=True):
        decode = decode_order if then["type"] in ORDERS else decode_answer
        assert then.items() <= json.loads(encode_packet(decode(packet))).items()
    assert {*ORDERS, "Ready", "Forked", "NotForked", "Ended"} <= {each["type"] for each in said}
