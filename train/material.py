"""train/material.py: what may be trained on, whose it is, and proof of what was read.

Every input file has a licence by the folder it lies in; a file in a folder
that SOURCES does not name is an error, not a guess.  The manifest carries the
SHA-256 of every input, and a folder of evaluation clips can be named whose
files must not be among them.  The comparison is of bytes: a clip coded anew
would pass it, so material comes from the sources below and from nowhere else.

    python3 -m train.material --material DIR --melodies DIR \\
        --forbidden DIR --manifest FILE.json --attribution ATTRIBUTION.md

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import hashlib
import json
import pathlib
from dataclasses import dataclass

SOUNDFONTS = [
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",  # fluid-soundfont-gm
    "/usr/share/sounds/sf3/MuseScore_General_Full.sf3",  # musescore-general-soundfont
]
AUDIO = {".opus", ".flac", ".wav", ".ogg", ".mp3"}


@dataclass(frozen=True)
class Source:
    """One body of material; place is the start of a file's name in the manifest."""

    place: str
    title: str
    licence: str
    credit: str = ""  # who must be named, where the licence asks for it


SOURCES = [
    Source("album/", "ichbinsoftware: everythingisfree, everythingisremixed", "CC0-1.0"),
    Source("kit_muldjord/", "MuldjordKit", "CC-BY-4.0", "DrumGizmo"),
    Source("kit_gogodze/", "gogodze phu vol II", "CC0-1.0", "Karoryfer"),
    Source("bass_growly/", "Growlybass", "CC0-1.0", "Karoryfer"),
    Source("guitar_shiny/", "Shinyguitar", "CC0-1.0", "Karoryfer"),
    Source("sax_were/", "Weresax", "CC0-1.0", "Karoryfer"),
    Source("speech/LJ", "LJSpeech", "public domain"),
    Source("speech/p2", "VCTK", "CC-BY-4.0", "CSTR VCTK Corpus, University of Edinburgh"),
    Source("speech/", "LibriSpeech", "CC-BY-4.0", "LibriSpeech: Panayotov, Chen, Povey, Khudanpur"),
    Source("voices/yuki/", "UTAU-Yuki", "public-domain dedication", "kgs233"),
    Source(
        "voices/dorodoro/",
        "dorodoro-ja-vcv",
        "any use with credit",
        "Dorodoro beta by Orcinus-Library, CV Cerenothoa",
    ),
    Source("voices/erithacus/", "ErithacusVB", "CC-BY-4.0", "ErithacusProject"),
    Source("voices/crazy/", "my-singing-voice-database", "MIT", "oatsu-gh"),
    Source("voices/smstools/", "sms-tools-materials", "CC-BY-4.0", "MTG, Universitat Pompeu Fabra"),
    Source("melodies/", "POP909", "MIT", "Wang, Chen, Jiang, Zhang, Xu, Dai, Bin, Xia"),
    Source("soundfonts/FluidR3_GM", "Fluid (R3) General MIDI", "MIT", "Frank Wen"),
    Source("soundfonts/MuseScore_General", "MuseScore General", "MIT", "S. Christian Collins"),
]


class MaterialError(Exception):
    """Material that is missing, unlicensed or forbidden."""


def source_of(name):
    """The source of a manifest name; the first place that fits counts."""
    for source in SOURCES:
        if name.startswith(source.place):
            return source
    raise MaterialError("no licence is known for %s" % name)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


class Material:
    """Input files by manifest name, sorted, so that choices depend on the seed only."""

    def __init__(self, root, melodies, soundfonts=None):
        root, melodies = pathlib.Path(root), pathlib.Path(melodies)
        self.paths = {}
        for path in root.rglob("*"):
            if path.suffix in AUDIO:
                self.paths[path.relative_to(root).as_posix()] = path
        for pattern in ("*/*.mid", "*/chord_midi.txt"):
            for path in melodies.glob(pattern):
                self.paths["melodies/" + path.relative_to(melodies).as_posix()] = path
        for path in map(pathlib.Path, soundfonts or SOUNDFONTS):
            if not path.is_file():
                raise MaterialError("soundfont %s is missing; see train/README.md" % path)
            self.paths["soundfonts/" + path.name] = path
        self.names = sorted(self.paths)
        for name in self.names:
            source_of(name)

    def under(self, place):
        """Names that start so; none is an error, since a song without its kit is not that song."""
        names = [n for n in self.names if n.startswith(place)]
        if not names:
            raise MaterialError("the material has nothing under %s" % place)
        return names

    def manifest(self):
        """A list of dictionaries, one an input file."""
        rows = []
        for name in self.names:
            path = self.paths[name]
            rows.append(
                {
                    "name": name,
                    "bytes": path.stat().st_size,
                    "sha256": sha256(path),
                    "licence": source_of(name).licence,
                }
            )
        return rows


def forbid(rows, folder):
    """Raises if any file below folder is among the inputs; returns how many were compared."""
    inputs = {row["sha256"]: row["name"] for row in rows}
    clips = [p for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()]
    if not clips:
        raise MaterialError("%s has no files: nothing would be proved" % folder)
    for clip in clips:
        name = inputs.get(sha256(clip))
        if name:
            raise MaterialError("%s is the evaluation clip %s" % (name, clip))
    return len(clips)


def attribution(rows):
    """ATTRIBUTION.md of these inputs."""
    counts = {}
    for row in rows:
        source = source_of(row["name"])
        files, size = counts.get(source, (0, 0))
        counts[source] = (files + 1, size + row["bytes"])
    lines = [
        "# Attribution",
        "",
        "Made by `python3 -m train.material` from the manifest of training inputs.",
        "All material was cut, resampled, pitched, filtered and mixed.",
        "",
        "| material | licence | credit | files | MB |",
        "|---|---|---|--:|--:|",
    ]
    for source in SOURCES:
        if source in counts:
            files, size = counts[source]
            row = (source.title, source.licence, source.credit or "-", files, size / 1e6)
            lines.append("| %s | %s | %s | %d | %.1f |" % row)
    return "\n".join(lines) + "\n"


def add_arguments(parser):
    parser.add_argument("--material", required=True, help="folder of kits, voices, album, ...")
    parser.add_argument("--melodies", required=True, help="folder of POP909 songs")


def main():
    parser = argparse.ArgumentParser(description="Manifest, attribution and proof of the inputs.")
    add_arguments(parser)
    parser.add_argument("--forbidden", help="folder of clips that must not be among the inputs")
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--attribution", type=pathlib.Path)
    args = parser.parse_args()
    rows = Material(args.material, args.melodies).manifest()
    if args.forbidden:
        print("none of %d evaluation files is an input" % forbid(rows, args.forbidden))
    args.manifest.write_text(json.dumps(rows, indent=1) + "\n")
    if args.attribution:
        args.attribution.write_text(attribution(rows))
    print("%d inputs, %.1f MB" % (len(rows), sum(r["bytes"] for r in rows) / 1e6))


if __name__ == "__main__":
    main()
