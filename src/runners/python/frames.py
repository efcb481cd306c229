"""Frames between a node and this runner: two u32 (bytes of header and body), JSON, tensor bytes; see frames.ts."""
import json
import os
import struct

PREFIX = struct.Struct("<II")
MAX_HEADER_BYTES = 256 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024 * 1024

# Element types as the frames name them, and as numpy names them. float16 and bool travel as raw bits.
NUMPY_TYPES = {
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "int8": "i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "?",
}


class Failure(Exception):
    """An error for the node: a code of its table, and a sentence."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def read_exactly(fd, count):
    """The next bytes of a descriptor, or None if it ended before the first."""
    parts = []
    missing = count
    while missing > 0:
        part = os.read(fd, min(missing, 1 << 20))
        if not part:
            if missing == count:
                return None
            raise EOFError("the node closed the channel within a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_frame(fd):
    """The next header and body, or None at the end."""
    prefix = read_exactly(fd, PREFIX.size)
    if prefix is None:
        return None
    header_bytes, body_bytes = PREFIX.unpack(prefix)
    if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise ValueError(f"a frame of {header_bytes} + {body_bytes} bytes was announced")
    header = read_exactly(fd, header_bytes) if header_bytes else b""
    body = read_exactly(fd, body_bytes) if body_bytes else b""
    if header is None or body is None:
        raise EOFError("the node closed the channel within a frame")
    return json.loads(header), body


def write_frame(fd, header, arrays=()):
    """Writes a header and the arrays that come with it, as (name, type, numpy array or list of strings, dims)."""
    places, chunks, offset = [], [], 0
    for name, kind, data, dims in arrays:
        place = {"name": name, "type": kind, "dims": list(dims), "offset": offset, "bytes": 0}
        if kind == "string":
            place["strings"] = data
        else:
            chunk = data.tobytes()
            place["bytes"] = len(chunk)
            offset += len(chunk)
            chunks.append(chunk)
        places.append(place)
    if places:
        header = {**header, "tensors": places}
    # ASCII escapes keep lone surrogates, which model code can make, from breaking the encoding.
    encoded = json.dumps(header, allow_nan=False).encode("ascii")
    if len(encoded) > MAX_HEADER_BYTES or offset > MAX_BODY_BYTES:
        raise Failure("INVALID_INPUT", f"An answer of {len(encoded) + offset} bytes is too large: send fewer rows")
    view = memoryview(PREFIX.pack(len(encoded), offset) + encoded + b"".join(chunks))
    while view:
        view = view[os.write(fd, view) :]


def decode_tensor(place, body):
    """A numpy array of a frame's tensor; strings become an array of objects."""
    import numpy

    dims = place["dims"]
    if place["type"] == "string":
        return numpy.array(place["strings"], dtype=object).reshape(dims)
    kind = NUMPY_TYPES[place["type"]]
    part = body[place["offset"] : place["offset"] + place["bytes"]]
    return numpy.frombuffer(part, dtype=kind).reshape(dims)
