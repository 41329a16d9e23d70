"""train/safetensors.py: the format that holds weights.

SPDX-License-Identifier: PostgreSQL
"""

import json
import pathlib
import struct

import numpy as np

ALIGNMENT = 8  # bytes; the header is padded with spaces, as the format allows
TYPES = {np.dtype("float16"): "F16", np.dtype("float32"): "F32"}
NUMBERS = {name: dtype for dtype, name in TYPES.items()}


def write(path, tensors, notes):
    """Arrays by name, sorted by name, and text by text."""
    header, at = {"__metadata__": notes}, 0
    for name in sorted(tensors):
        array = tensors[name]
        place = [at, at + array.nbytes]
        header[name] = {"dtype": TYPES[array.dtype], "shape": list(array.shape)}
        header[name]["data_offsets"] = place
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(np.ascontiguousarray(tensors[name]).tobytes())


def halves(state):
    """Parameters in f16; one that does not fit is an error, not an infinity."""
    out = {}
    for name, tensor in state.items():
        with np.errstate(over="ignore"):
            array = tensor.cpu().float().numpy().astype(np.float16)
        if not np.isfinite(array).all():
            raise SystemExit("%s does not fit into f16" % name)
        out[name] = array
    return out


def read(path):
    """Arrays by name, and the text by text."""
    content = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    notes, arrays = header.pop("__metadata__", {}), {}
    for name, row in header.items():
        first, end = (8 + size + x for x in row["data_offsets"])
        array = np.frombuffer(content[first:end], NUMBERS[row["dtype"]])
        arrays[name] = array.reshape(row["shape"])
    return arrays, notes
