"""tests/golden/neural/formats.py: weight files in the formats of others.

A TensorFlow tensor bundle (a LevelDB table of protocol buffers beside one flat
file), the .tar.gz that Deezer releases it in, safetensors and NumPy's .npz.
Weights are a dict of numpy arrays by name.  Same input, same bytes.

SPDX-License-Identifier: PostgreSQL
"""

import gzip
import io
import json
import os
import struct
import tarfile

import numpy as np

TF_FLOAT, TF_INT64 = 1, 9  # types.proto
TABLE_MAGIC = 0xDB4775248B80FB57  # LevelDB's table/format.h
RESTART_INTERVAL = 16
DATA = "model.data-00000-of-00001"
CHECKPOINT = b'model_checkpoint_path: "model"\nall_model_checkpoint_paths: "model"\n'


def crc_table():
    """Of the reflected Castagnoli polynomial."""
    c = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        c = (c >> np.uint32(1)) ^ np.where(c & np.uint32(1), np.uint32(0x82F63B78), np.uint32(0))
    return c


TABLE = crc_table()
LANES = 1024


def crc_bytes(register, columns):
    """Runs registers (uint32 [lanes]) over columns (uint8 [bytes][lanes])."""
    for column in columns:
        register = (register >> np.uint32(8)) ^ TABLE[(register ^ column) & np.uint32(255)]
    return register


def apply(matrix, vectors):
    """A linear map of 32 bits, given by the images of the unit vectors."""
    out = np.zeros_like(vectors)
    for i in range(32):
        out ^= np.where((vectors >> np.uint32(i)) & np.uint32(1), matrix[i], np.uint32(0))
    return out


def zeros_map(count):
    """What count zero bytes do to a register."""
    square = crc_bytes(np.uint32(1) << np.arange(32, dtype=np.uint32), np.zeros((1, 32), np.uint8))
    out = np.uint32(1) << np.arange(32, dtype=np.uint32)
    while count:
        if count & 1:
            out = apply(square, out)
        square = apply(square, square)
        count >>= 1
    return out


def crc32c(data):
    """CRC32C of bytes; long ones in parallel lanes that are joined pairwise."""
    x = np.frombuffer(data, np.uint8)
    length = len(x) // LANES if len(x) >= 64 * LANES else 0
    register = np.full(1, 0xFFFFFFFF, np.uint32)
    if length:
        lanes = np.zeros(LANES, np.uint32)
        lanes[0] = 0xFFFFFFFF
        lanes = crc_bytes(lanes, np.ascontiguousarray(x[: LANES * length].reshape(LANES, -1).T))
        joint = zeros_map(length)
        while len(lanes) > 1:
            lanes = apply(joint, lanes[0::2]) ^ lanes[1::2]
            joint = apply(joint, joint)
        register = lanes
    register = crc_bytes(register, x[LANES * length :].reshape(-1, 1))
    return int(register[0]) ^ 0xFFFFFFFF


def masked(crc):
    """LevelDB's masking: a CRC of data that holds CRCs is to be avoided."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return n, at


def field(number, value):
    """A varint field, left out when 0, as proto3 does."""
    return varint(number << 3) + varint(value) if value else b""


def blob(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def bundle_entry(dtype, shape, offset, size, crc):
    """BundleEntryProto of tensorflow/core/protobuf/tensor_bundle.proto; shard 0."""
    dims = b"".join(blob(2, field(1, n)) for n in shape)
    place = field(4, offset) + field(5, size)
    return field(1, dtype) + blob(2, dims) + place + b"\x35" + struct.pack("<I", crc)


HEADER = b"\x08\x01\x1a\x02\x08\x01"  # BundleHeaderProto: one shard, little-endian, producer 1


def block(items, interval):
    """A block of a LevelDB table: sorted (key, value), prefixes shared, restarts, trailer."""
    out, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(items):
        shared = 0
        if i % interval == 0:
            restarts.append(len(out))
        else:
            shared = len(os.path.commonprefix([last, key]))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    restarts = restarts or [0]
    out += struct.pack("<%dI" % (len(restarts) + 1), *restarts, len(restarts))
    return out + b"\0" + struct.pack("<I", masked(crc32c(out + b"\0")))


def successor(key):
    """The shortest key that is not less: the index of a table is kept short."""
    return bytes([key[0] + 1])


def table(items):
    """A LevelDB table of one data block; items sorted by key."""
    data = block(items, RESTART_INTERVAL)
    meta = block([], 1)
    handle = varint(0) + varint(len(data) - 5)
    index = block([(successor(items[-1][0]), handle)], 1)
    places = varint(len(data)) + varint(len(meta) - 5)
    places += varint(len(data) + len(meta)) + varint(len(index) - 5)
    return data + meta + index + places.ljust(40, b"\0") + struct.pack("<Q", TABLE_MAGIC)


def read_block(data, at, size):
    """(key, value) of the block at a handle; its checksum must be right."""
    body, trailer = data[at : at + size], data[at + size : at + size + 5]
    assert trailer[0] == 0 and masked(crc32c(body + b"\0")) == struct.unpack("<I", trailer[1:])[0]
    end = size - 4 - 4 * struct.unpack("<I", body[-4:])[0]
    out, key, at = [], b"", 0
    while at < end:
        shared, at = read_varint(body, at)
        fresh, at = read_varint(body, at)
        length, at = read_varint(body, at)
        key = key[:shared] + body[at : at + fresh]
        out.append((key, body[at + fresh : at + fresh + length]))
        at += fresh + length
    return out


def read_table(data):
    """All (key, value) of a LevelDB table."""
    assert struct.unpack("<Q", data[-8:])[0] == TABLE_MAGIC
    _, at = read_varint(data, len(data) - 48)
    _, at = read_varint(data, at)
    index, at = read_varint(data, at)
    size, at = read_varint(data, at)
    out = []
    for _, handle in read_block(data, index, size):
        first, at = read_varint(handle, 0)
        out += read_block(data, first, read_varint(handle, at)[0])
    return out


def read_message(data):
    """Fields of a protocol buffer: (number, value), nested ones as bytes."""
    out, at = [], 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size, at = (4, at) if tag & 7 == 5 else read_varint(data, at)
            value, at = data[at : at + size], at + size
        out.append((tag >> 3, value))
    return out


def read_entry(data):
    """BundleEntryProto to (dtype, shape, offset, size, masked crc)."""
    fields = dict(read_message(data))
    shape = [dict(read_message(dim)).get(1, 0) for _, dim in read_message(fields[2])]
    crc = struct.unpack("<I", fields[6])[0]
    return fields[1], tuple(shape), fields.get(4, 0), fields[5], crc


def tensorflow(weights):
    """The files of a checkpoint by name: tensors lie in order of their names."""
    items, data = [(b"", HEADER)], []
    offset = 0
    for name in sorted(weights):
        dtype = TF_INT64 if weights[name].dtype == np.int64 else TF_FLOAT
        raw = weights[name].tobytes()
        entry = bundle_entry(dtype, weights[name].shape, offset, len(raw), masked(crc32c(raw)))
        items.append((name.encode(), entry))
        data.append(raw)
        offset += len(raw)
    return {"checkpoint": CHECKPOINT, DATA: b"".join(data), "model.index": table(items)}


def tar_gz(files):
    """As Deezer packs: files at the top, among them a graph (here: none) that nobody needs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted({**files, "model.meta": b"\n"}.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def safetensors(weights):
    """Length of the header, header as JSON, data in order of the names."""
    header, data, offset = {}, [], 0
    for name in sorted(weights):
        raw = weights[name].tobytes()
        header[name] = {
            "dtype": "I64" if weights[name].dtype == np.int64 else "F32",
            "shape": list(weights[name].shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def npz(weights):
    out = io.BytesIO()
    np.savez_compressed(out, **weights)
    return out.getvalue()


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


def save(weights, form, folder, name):
    """Writes weights into folder; name is of the file, of a folder for "tf".  The path."""
    os.makedirs(folder, exist_ok=True)
    if form == "tf":
        folder = os.path.join(folder, name)
        os.makedirs(folder, exist_ok=True)
        for file, content in tensorflow(weights).items():
            write(os.path.join(folder, file), content)
        return folder
    make = {
        "tar.gz": lambda: tar_gz(tensorflow(weights)),
        "safetensors": lambda: safetensors(weights),
        "npz": lambda: npz(weights),
    }[form]
    path = os.path.join(folder, name + "." + form)
    write(path, make())
    return path
