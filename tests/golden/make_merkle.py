"""tests/golden/make_merkle.py: an audit log, its proofs and checkpoints, by other means.

Written from RFC 9162, the C2SP specifications and the formats in
src/core/merkle/{entry,export,merkle}.h, with hashlib and json of the standard
library; signatures are made by the openssl program.  Nothing is random, so the
same files come out every time.

    python3 tests/golden/make_merkle.py tests/golden/merkle

tests/unit/test_merkle_golden.c and tests/tap/040_verify.pl read the output.

SPDX-License-Identifier: PostgreSQL
"""

import base64
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import uuid

ORIGIN = "example.com/audit"
SIZE = 37
PRIVATE = bytes(range(32))
# RFC 8410, section 7: what stands before the 32 bytes in DER
PRIVATE_DER = bytes.fromhex("302e020100300506032b657004220420")


def b64(data):
    return base64.b64encode(data).decode()


# --- the tree: RFC 9162, section 2.1, as recursion ---------------------------

def sha(data):
    return hashlib.sha256(data).digest()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(d):
    if not d:
        return sha(b"")
    if len(d) == 1:
        return d[0]
    k = split(len(d))
    return sha(b"\x01" + root(d[:k]) + root(d[k:]))


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    return path(m, d[:k]) + [root(d[k:])] if m < k else path(m - k, d[k:]) + [root(d[:k])]


def proof(m, d, known=True):
    if m == len(d):
        return [] if known else [root(d)]
    k = split(len(d))
    if m <= k:
        return proof(m, d[:k], known) + [root(d[k:])]
    return proof(m - k, d[k:], False) + [root(d[:k])]


def frontier(d):
    """Roots of the complete subtrees, largest first."""
    out, at = struct.pack(">Q", len(d)), 0
    for bit in reversed(range(64)):
        if len(d) >> bit & 1:
            out += root(d[at:at + (1 << bit)])
            at += 1 << bit
    return out


# --- keys, notes, checkpoints ---------------------------------------------------

def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


class Key:
    def __init__(self, name, private):
        self.name = name
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name, "key.der")
        self.file.write_bytes(PRIVATE_DER + private)
        public = openssl("pkey", "-inform", "DER", "-in", str(self.file), "-pubout", "-outform", "DER")
        self.typed = b"\x01" + public[-32:]
        self.id = sha(name.encode() + b"\n" + self.typed)[:4]

    def text(self):
        return f"{self.name}+{self.id.hex()}+{b64(self.typed)}"

    def note(self, text):
        message = pathlib.Path(self.folder.name, "message")
        message.write_bytes(text.encode())
        signature = openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", str(self.file),
                            "-in", str(message))
        return f"{text}\n\u2014 {self.name} {b64(self.id + signature)}\n"


def checkpoint(d):
    return f"{ORIGIN}\n{len(d)}\n{b64(root(d))}\n"


# --- entries ---------------------------------------------------------------------

ACTIONS = ["track.delete", "login", "ключ.rotate", "a", "x" * 255, 'quote " and \\', "\u001b[31m\u007f"]
OBJECTS = ["", "public.track:17", "𝄞 \u2028 é \u00a0", "".join(map(chr, range(1, 33))), "line\nline\ttab"]


def entry(i):
    detail = [None, b"", f"detail {i}".encode(), bytes(range(256))][i % 4]
    return {
        "id": uuid.UUID(bytes=sha(b"id %d" % i)[:16]),
        "tenant": uuid.UUID(int=i % 3),
        "time_us": 1_700_000_000_000_000 + 1_000_003 * i if i != 5 else -1,
        "principal": uuid.UUID(bytes=sha(b"who %d" % i)[:16]) if i % 5 else None,
        "action": ACTIONS[i % len(ACTIONS)],
        "object": OBJECTS[i % len(OBJECTS)],
        # one in four details is not given out, but its digest is
        "digest": sha(detail if detail is not None else b"erased %d" % i),
        "detail": detail,
    }


def leaf(e):
    action, item = e["action"].encode(), e["object"].encode()
    who = e["principal"]
    data = b"spaudit\x01" + e["id"].bytes + e["tenant"].bytes + struct.pack(">q", e["time_us"])
    data += bytes([who is not None]) + (who.bytes if who else bytes(16)) + e["digest"]
    data += struct.pack(">H", len(action)) + action + struct.pack(">H", len(item)) + item
    return sha(b"\x00" + data)


def line(members):
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")) + "\n"


def entry_line(i, e):
    return line({
        "position": i, "id": str(e["id"]), "tenant": str(e["tenant"]), "time_us": e["time_us"],
        "principal": str(e["principal"]) if e["principal"] else None, "action": e["action"],
        "object": e["object"], "detail_sha256": b64(e["digest"]),
        "detail": b64(e["detail"]) if e["detail"] is not None else None, "leaf": b64(leaf(e)),
    })


def export(entries, d, begin, end, key):
    text = line({"spotai_audit_export": 1, "origin": ORIGIN, "from": begin, "to": end,
                 "frontier": b64(frontier(d[:begin]))})
    text += "".join(entry_line(i, entries[i]) for i in range(begin, end))
    return text + line({"checkpoint": key.note(checkpoint(d[:end]))})


def proofs(d):
    text = ""
    for n in (1, 2, 7, 16, 21, SIZE):
        for m in range(n):
            text += f"inclusion {m} {n} {' '.join(h.hex() for h in path(m, d[:n]))}".rstrip() + "\n"
            text += f"consistency {m + 1} {n} {' '.join(h.hex() for h in proof(m + 1, d[:n]))}".rstrip() + "\n"
    return text


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    key = Key(ORIGIN, PRIVATE)
    entries = [entry(i) for i in range(SIZE)]
    d = [leaf(e) for e in entries]
    files = {"key.txt": key.text() + "\n", "proofs.txt": proofs(d)}
    files["whole.jsonl"] = export(entries, d, 0, SIZE, key)
    files["part.jsonl"] = export(entries, d, 20, SIZE, key)
    files["none.jsonl"] = export(entries, d, 0, 0, key)
    for size in (0, 1, 16, 20, SIZE):
        files[f"checkpoint-{size}.txt"] = key.note(checkpoint(d[:size]))
    for name, text in files.items():
        (folder / name).write_text(text, newline="")


main(sys.argv[1])
