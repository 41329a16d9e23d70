"""train/export.py: the averaged weights of a run as safetensors (f16), parameters and a card.

    python3 -m train.export --run RUN --reels REELS --name NAME --out PATH

Writes OUT.safetensors (with hyper-parameters), OUT.md (the card) and OUT.svg
(the curve of training).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import pathlib
import sys

import torch

from . import audio, bands, curve, material, mixing, reels, safetensors, trust

ARCHITECTURE = "spotai"


def parameters():
    """Hyper-parameters, as tables and files of the extension keep them."""
    return {
        "stems": list(audio.STEMS),
        "sample_rate_hz": audio.RATE,
        "fft_size": mixing.FFT,
        "hop": mixing.HOP,
        "frames": mixing.FRAMES,
        "bins": bands.BINS,
        "bands": [list(row) for row in bands.TABLE],
        "mask": "softmax",
    }


def notes(args):
    """Metadata of the file of weights: what spotai.model_import() reads."""
    found = {"format": "pt", "spotai.architecture": ARCHITECTURE, "spotai.name": args.name}
    found |= {"spotai.version": args.version, "spotai.params": json.dumps(parameters())}
    found |= {"spotai.licence": args.licence, "spotai.source": args.source}
    return {key: value for key, value in found.items() if value}


def hashes(manifest):
    """A line for each source: how many files, and the SHA-256 over theirs in order of name."""
    rows = {}
    for row in json.loads(pathlib.Path(manifest).read_text()):
        rows.setdefault(material.source_of(row["name"]), []).append(row)
    lines = ["| material | licence | files | SHA-256 of the files' SHA-256 |", "|---|---|--:|---|"]
    for source, files in rows.items():
        text = "".join(row["sha256"] + "\n" for row in files)
        row = (source.title, source.licence, len(files), material.sha256_of(text.encode()))
        lines.append("| %s | %s | %d | `%s` |" % row)
    return lines


def table(line):
    rows = ["| SDR, dB | " + " | ".join(line["sdr"]) + " |", "|---|" + "--:|" * len(line["sdr"])]
    for name, found in (("network", line["sdr"]), ("classical's shares", line["classical"])):
        rows.append("| %s | " % name + " | ".join("%.2f" % x for x in found.values()) + " |")
    return rows


def training(state, history, folder):
    """Facts of the run."""
    count = sum(t.numel() for t in state["average"].values())
    settings = ", ".join("%s %s" % item for item in state["settings"].items())
    lines = ["- command: `%s`" % without_folders(state["command"]), "- settings: %s" % settings]
    lines += ["- trust in the network (`train/trust.py`): %g" % state["average"]["trust"].mean(), "- values: %d" % count, "- steps: %d" % state["step"]]
    lines += ["- hours of training, wall clock: %.2f" % (state["seconds"] / 3600)]
    heard = state["step"] * state["settings"]["batch"] * mixing.FRAMES * mixing.HOP / audio.RATE
    lines += ["- hours of mixtures heard: %.0f" % (heard / 3600)]
    made = len(list(pathlib.Path(folder).glob("*.json")))
    seconds = made * mixing.frames_to_samples(reels.FRAMES) / audio.RATE
    lines += ["- reels: %d, %.1f hours" % (made, seconds / 3600)]
    return lines + ["- best SDR of vocals on held-out songs: %.2f dB" % best(history)]


def best(history):
    return max(line["sdr"]["vocals"] for line in history)


def card(state, history, args, weights):
    lines = ["# Model card: " + weights.stem, ""]
    lines += ["A four-stem mask network that refines the engine `classical`, trained by `train/`"]
    lines += ["on nothing but the material below. Exported by `%s`." % command_line(), ""]
    lines += ["## Training", "", *training(state, history, args.reels), ""]
    lines += ["![curve](%s.svg)" % weights.stem, ""]
    lines += ["Mean over mixtures of held-out songs and singers, in the bands of the network:", ""]
    lines += [*table(history[-1]), ""]
    if args.manifest:
        lines += ["## Material", "", *hashes(args.manifest), ""]
        manifest = material.sha256(args.manifest)
        lines += ["SHA-256 of the manifest, which has every file: `%s`" % manifest]
    lines += ["", "SHA-256 of the weights: `%s`" % material.sha256(weights)]
    return "\n".join(lines) + "\n"


def without_folders(command):
    """A command line whose paths are names, since where they lay says nothing."""
    return " ".join(pathlib.PurePath(word).name for word in command.split())


def command_line():
    return without_folders("python3 -m train.export " + " ".join(sys.argv[1:]))


def main():
    parser = argparse.ArgumentParser(description="Exports the averaged weights of a run.")
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--manifest", type=pathlib.Path, help="of train.material, for the card")
    parser.add_argument("--reels", type=pathlib.Path, required=True, help="that it was trained on")
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--version", default="1")
    parser.add_argument("--licence")
    parser.add_argument("--source")
    parser.add_argument("--trust", type=float, default=trust.TRUST, help="see trust.py")
    parser.add_argument("--out", required=True, help="path without its ending")
    args = parser.parse_args()
    state = torch.load(args.run / "checkpoint.pt", map_location="cpu")
    history = [json.loads(line) for line in open(args.run / "history.jsonl")]
    trust.apply(state["average"], args.trust)
    weights = pathlib.Path(args.out + ".safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    safetensors.write(weights, safetensors.halves(state["average"]), notes(args))
    weights.with_suffix(".svg").write_text(curve.svg(history))
    weights.with_suffix(".md").write_text(card(state, history, args, weights))
    print("%s: %.2f MB" % (weights, weights.stat().st_size / 1e6))


if __name__ == "__main__":
    main()
