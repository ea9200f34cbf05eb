"""Damage to bytes, JSON and ONNX graphs, drawn from a seed: careless and hostile alike."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

#: A module and a file that nothing may touch; the names stand in the data.
PLANTED, OUTSIDE = "planted", "outside.bin"

#: JSON that takes the place of a value.
FRAGMENTS = (
    *("null", "true", "false", "0", "1", "-1", "2", "0.5", "-0.0", "1e308", "5e-324", "1.5"),
    *("NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 4999, "1" + "0" * 18, "-1" + "0" * 18),
    *("4294967296", "9223372036854775807", "9223372036854775808", "65536", "1e400"),
    *('""', '"x"', '"\\ud800"', '"\\u0000"', '"\\n\\u001b[31m"', '"é"', json.dumps("x" * 5000)),
    *("[]", "{}", "[null]", "[[]]", '{"":{}}', "[" * 60 + "]" * 60, "[" * 9999 + "]" * 9999),
    *('{"a": 1, "a": 2}', '"n"', '"float32"', '"object"', '"uint8"', '"NaN"', '"1"', '"-1"'),
    *(f'"{PLANTED}:Part"', f'"{PLANTED}.Part"', '"os:abort"', '"builtins:exec"'),
    *(f'"../{OUTSIDE}"', f'"{OUTSIDE}"', '"/proc/self/mem"', '"/dev/zero"', '"."', '".."', '"/"'),
    *('"../../../../etc/passwd"', '"manifest.json"', '"plain"', '"segment1"', '"if"'),
)


def of_bytes(data: bytes, random: Random) -> bytes:
    """Return `data` flipped, cut, spliced, overwritten or stretched, once to four times."""
    damaged = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at, size = random.randrange(len(damaged) + 1), random.choice((1, 2, 4, 8, 64, 512))
        kind = random.randrange(6)
        if kind == 0 and damaged:
            damaged[at % len(damaged)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del damaged[at : at + size]
        elif kind == 2:
            damaged[at:at] = random.choice((b"\0", b"\xff", b"\x7f", b"A")) * size
        elif kind == 3:
            damaged[at : at + size] = random.randbytes(size)
        elif kind == 4:
            source = random.randrange(len(damaged) + 1)
            damaged[at : at + size] = damaged[source : source + size]
        elif random.random() < 0.3:
            del damaged[at:]
    return bytes(damaged)


def of_json(document: Any, random: Random, *, seal: bool = False) -> bytes:
    """Return a document with one to three places changed; sealed, its own hash fits again."""
    changed = copy.deepcopy(document)
    held: list[str] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        holder, key = random.choice(list(_places(changed)))
        _change(changed, holder, key, held, random)
    if seal and isinstance(changed, dict):
        changed = {"sha256": "0" * 64} | {k: v for k, v in changed.items() if k != "sha256"}
    text = json.dumps(changed, ensure_ascii=random.random() < 0.5)
    for number, fragment in enumerate(held):
        text = text.replace(f'"@{number}@"', fragment, 1)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.02:
        data = b"\xef\xbb\xbf" + data
    blank = b"0" * 64
    return data.replace(blank, hashlib.sha256(data).hexdigest().encode(), 1) if seal else data


def _change(whole: Any, holder: Any, key: Any, held: list[str], random: Random) -> None:
    kind, value = random.randrange(8), holder[key]
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif kind == 2:
        other, place = random.choice(list(_places(whole)))
        holder[key] = copy.deepcopy(other[place])
    elif kind == 3 and isinstance(holder, dict):
        holder[random.choice(("", "x", "schema", "extra"))] = value
    elif kind == 4 and isinstance(value, (int, float)):
        holder[key] = random.choice((value + 1, value - 1, -value, value * 10**9, value / 3))
    else:
        holder[key] = f"@{len(held)}@"
        held.append(random.choice(FRAGMENTS))


def of_values(document: Any, random: Random) -> bytes:
    """Return a document with one to four values changed to others of their kind.

    What comes out still has its schema's form, more often than not, and contradicts itself.
    """
    changed = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 2, 4))):
        kinds: dict[type, list[tuple[Any, Any]]] = {}
        for holder, key in _places(changed):
            kinds.setdefault(type(holder[key]), []).append((holder, key))
        places = kinds[random.choice(sorted(kinds, key=str))]
        holder, key = random.choice(places)
        like = [other[place] for other, place in places if place == key]
        holder[key] = _another(holder[key], random.choice(like), random)
    return json.dumps(changed).encode()


def _another(value: Any, like: Any, random: Random) -> Any:
    """Return a value of the same kind; `like` is one that stands elsewhere under that name."""
    if isinstance(value, bool) or value is None:
        return random.choice((True, False, None, 0, 0.5, ""))
    if isinstance(value, (int, float)):
        sizes = (0, 1, -1, 2, 1e-300, 5e-324, 1e300, 10**18, value + 1, value - 1, -value, None)
        return random.choice((*sizes, like, like, value * 1e3, value / 1e3, 0.5, 1e9))
    if isinstance(value, str):
        return random.choice((like, like, "", "x", value + "x", value[:-1], None))
    copies = copy.deepcopy(like)
    if isinstance(value, dict):
        some = dict(random.sample([*value.items()], random.randint(0, len(value))))
        return random.choice((copies, copies, some, None, {}))
    at = random.randrange(len(value) + 1)
    changes: tuple[Any, ...] = (copies, [], value[:at], value[at:], value[::-1], None)
    fewer, more = [*value[:at], *value[at + 1 :]], [*value, *value[at:]]
    return random.choice((*changes, fewer, more, [*value, *copies]))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every holder of a value with the key or index of that value, the whole's own too."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def of_onnx(data: bytes, random: Random) -> bytes:
    """Return an ONNX file, still whole, whose graph was changed once to three times."""
    import onnx

    model = onnx.load_model_from_string(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        _change_graph(model, random)
    return bytes(model.SerializeToString())


def _change_graph(model: Any, random: Random) -> None:
    graph, kind = model.graph, random.randrange(12)
    nodes, weights = list(graph.node), list(graph.initializer)
    node = random.choice(nodes) if nodes else None
    if kind == 0 and weights:
        weight = random.choice(weights)
        weight.data_location = random.choice((0, 1))
        entry = weight.external_data.add()
        entry.key, entry.value = "location", random.choice((OUTSIDE, f"../{OUTSIDE}", "/dev/zero"))
    elif kind == 1 and weights:
        weight = random.choice(weights)
        weight.dims.append(random.choice((0, 1, 2, -1, 2**31, 2**62)))
    elif kind == 2 and weights:
        random.choice(weights).data_type = random.randrange(25)
    elif kind == 3 and node is not None:
        node.op_type = random.choice((*(n.op_type for n in nodes), "If", "Loop", "Scan", "Nothing"))
    elif kind == 4 and node is not None:
        node.domain = random.choice(("", "ai.onnx.ml", "com.microsoft", PLANTED))
    elif kind == 5 and node is not None and node.attribute:
        attribute = random.choice(list(node.attribute))
        attribute.i = random.choice((-1, 0, 2**31, -(2**63)))
        attribute.ints.append(random.choice((-1, 0, 1, 2**31, 2**62)))
    elif kind == 6 and node is not None:
        graph.node.remove(node)
    elif kind == 7 and node is not None:
        graph.node.append(copy.deepcopy(node))
    elif kind == 8 and node is not None and node.input:
        node.input[random.randrange(len(node.input))] = random.choice((*node.output, "", "x"))
    elif kind == 9:
        value = random.choice([*graph.input, *graph.output])
        value.type.tensor_type.shape.dim.add().dim_value = random.choice((1, -1, 2**62))
    elif kind == 10:
        value = random.choice([*graph.input, *graph.output])
        value.type.tensor_type.elem_type = random.randrange(25)
    else:
        value = random.choice([*graph.input, *graph.output])
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = random.choice((1, 2, 4, 8, 2**31))


def of_json_sealed(document: dict[str, Any]) -> bytes:
    """Return a document with the hash that fits it."""
    text = json.dumps({"sha256": "0" * 64} | {k: v for k, v in document.items() if k != "sha256"})
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text.replace("0" * 64, digest, 1).encode()


def of_array(array: Any, random: Random) -> Any:
    """Return something in an array's place: of another type, shape or range."""
    kind = random.randrange(9)
    if kind == 0:
        return array[: random.choice((0, 1, len(array) // 2))] if array.ndim else array
    if kind == 1:
        return array[..., None]
    if kind == 2:
        dtypes = ("float64", "int8", "complex64", "bool", "U3", "S2", "uint64", "int64", "<f2")
        return np.zeros(array.shape, random.choice(dtypes))
    if kind == 3:
        return np.array(random.choice((0, -1, 2**63, 1.5, "x", b"y", True)))
    if kind == 4:
        return np.full(array.shape, random.choice((-1, 2**31, 10**12, 2**63 - 1)))
    if kind == 5:
        return np.full(array.shape, random.choice(("", "train", "\n", "é" * 300, "test")))
    if kind == 6:
        return np.empty(random.choice(((0,), (0, 8, 8, 3), (40, 0, 0, 3), (40, 1, 1, 1), (40, 3))))
    if kind == 7:
        return np.full(array.shape, random.choice((np.nan, np.inf, -1.0)))
    return np.array(array.tolist() * 2) if array.ndim else array
