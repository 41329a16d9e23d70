"""train/safetensors.py: writing the format that holds weights.

SPDX-License-Identifier: PostgreSQL
"""

import json
import struct

import numpy as np

ALIGNMENT = 8  # bytes; the header is padded with spaces, as the format allows
TYPES = {np.dtype("float16"): "F16", np.dtype("float32"): "F32"}


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
