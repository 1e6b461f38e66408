"""Files of formats that no library writes."""

import struct

import pytest


@pytest.fixture(scope="session")
def write_ser():
    """Write frames (t, y, x) as a TIA series by Boothroyd's description, version 0x210 (4-byte offsets)."""
    return _write_ser


def _write_ser(path, frames, *, kind=0x4122, cut=None):
    head = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x210, kind, 0x4152, len(frames), len(frames), 0, 1)
    head += struct.pack("<IddIII", len(frames), 0, 1, 0, 0, 0)
    element = 50 + frames[0].nbytes
    start = len(head) + 8 * len(frames)
    offsets = [start + i * element for i in range(len(frames))]
    head = head[:22] + struct.pack("<I", len(head)) + head[26:]
    body = b"".join(
        struct.pack("<ddiddiHII", 0, 2e-11, 0, 0, 2e-11, 0, 5, f.shape[1], f.shape[0])
        + f.astype("<i2").tobytes()
        for f in frames
    )
    table = struct.pack(f"<{2 * len(frames)}I", *offsets, *offsets)
    path.write_bytes((head + table + body)[:cut])
    return path
