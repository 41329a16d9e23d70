"""train/export.py: the averaged weights of a run as safetensors (f16) and a model card.

    python3 -m train.export --run RUN --manifest FILE.json --out models/spotai-base

Writes OUT.safetensors and OUT.md.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import pathlib
import struct

import numpy as np
import torch

from . import material

ALIGNMENT = 8  # bytes; the header is padded with spaces, as the format allows


def write_safetensors(path, tensors, notes):
    """Name to f16 array, sorted by name, and text by text."""
    header, at = {"__metadata__": notes}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        shape = list(tensors[name].shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(tensors[name].astype("<f2").tobytes())


def halves(state):
    """Parameters in f16; one that does not fit is an error, not an infinity."""
    out = {}
    for name, tensor in state.items():
        array = tensor.cpu().float().numpy().astype(np.float16)
        if not np.isfinite(array).all():
            raise SystemExit("%s does not fit into f16" % name)
        out[name] = np.ascontiguousarray(array)
    return out


def card(state, history, manifest, weights):
    settings = state["settings"]
    count = sum(t.numel() for t in state["average"].values())
    last = history[-1]
    lines = ["# Model card", ""]
    lines += ["Four-stem mask network, exported by `python3 -m train.export`.", ""]
    lines += ["- %s: %s" % item for item in settings.items()]
    lines += ["- values: %d" % count, "- steps done: %d" % state["step"]]
    lines += ["- hours of training: %.2f" % (state["seconds"] / 3600)]
    lines += ["- SHA-256 of the weights: %s" % material.sha256(weights)]
    lines += ["- SHA-256 of the manifest of inputs: %s" % material.sha256(manifest)]
    lines += ["", "Mean error on held-out songs, by stem, and while training:", ""]
    lines += ["| stem | held out | training |", "|---|--:|--:|"]
    for stem, error in last["validation"].items():
        lines.append("| %s | %.5f | %.5f |" % (stem, error, last["training"][stem]))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Exports the averaged weights of a run.")
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--out", required=True, help="path without its ending")
    args = parser.parse_args()
    state = torch.load(args.run / "checkpoint.pt", map_location="cpu")
    history = [json.loads(line) for line in open(args.run / "history.jsonl")]
    notes = {name: str(value) for name, value in state["settings"].items()}
    notes |= {"fft_size": "4096", "hop": "1024", "stems": "vocals,drums,bass,other"}
    weights = pathlib.Path(args.out + ".safetensors")
    write_safetensors(weights, halves(state["average"]), notes)
    text = card(state, history, args.manifest, weights)
    pathlib.Path(args.out + ".md").write_text(text)
    print("%s: %.2f MB" % (weights, weights.stat().st_size / 1e6))


if __name__ == "__main__":
    main()
