"""train/export.py: the averaged weights of a run as safetensors (f16), parameters and a card.

    python3 -m train.export --run RUN --manifest FILE.json --out models/spotai-base

Writes OUT.safetensors, OUT.json, OUT.md and OUT.svg (the curve of training).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import pathlib

import torch

from . import audio, bands, material, mixing, networks, safetensors

ARCHITECTURE = "spotai"


def parameters(variant):
    """Hyper-parameters, as tables and files of the extension keep them."""
    return {
        "architecture": ARCHITECTURE,
        "variant": variant,
        "stems": list(audio.STEMS),
        "sample_rate_hz": audio.RATE,
        "fft_size": mixing.FFT,
        "hop": mixing.HOP,
        "frames": mixing.FRAMES,
        "bins": bands.BINS,
        "bands": [list(row) for row in bands.TABLE],
        "channels": list(networks.CHANNELS),
        "mask": "softmax",
    }


def notes(variant):
    """Metadata of the file of weights."""
    return {"format": "pt", "spotai": json.dumps(parameters(variant), separators=(",", ":"))}
