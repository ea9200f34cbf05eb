"""What a ``.tflite`` file holds, read without any runtime: enough to refuse it before one sees it.

tflite-runtime reads a file without looking, and a cut one takes the process down. A TFLite file is
a FlatBuffer: tables, vectors and strings that point to each other by offsets. The fields are
numbered as in TensorFlow's ``schema.fbs``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from calexnet.files.declared import Described, GraphError, misfit, refuse_other
from calexnet.manifest import GraphRecord

#: Beyond this a graph is none of ours: they have hundreds of operators, and twice as many tensors.
MOST_TABLES = 400_000

_IDENTIFIER = b"TFL3"
_STRING = 1
#: A field's content: bytes of a vector's element, a table's name, or a vector of such in a list.
_Field = int | str | list[str]
#: table -> field's number -> its content; numbers that lie in the table itself need no entry.
_TABLES: dict[str, dict[int, _Field]] = {
    "Model": {
        1: ["OperatorCode"],
        2: ["SubGraph"],
        3: _STRING,
        4: ["Buffer"],
        5: 4,
        6: ["Metadata"],
        7: ["SignatureDef"],
        8: ["External"],
        9: ["External"],
    },
    "OperatorCode": {1: _STRING},
    "SubGraph": {0: ["Tensor"], 1: 4, 2: 4, 3: ["Operator"], 4: _STRING},
    "Tensor": {0: 4, 3: _STRING, 4: "Quantization", 7: 4},
    "Quantization": {0: 4, 1: 4, 2: 4, 3: 8},
    "Operator": {1: 4, 2: 4, 4: "Options", 5: 1},
    "Options": {},
    "Buffer": {0: 1},
    "Metadata": {0: _STRING},
    "SignatureDef": {0: ["TensorMap"], 1: ["TensorMap"], 2: _STRING},
    "TensorMap": {0: _STRING},
    "External": {},
}
#: TensorType -> numpy's name, of those that a segment takes or gives.
_DTYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64"},
    **{6: "bool", 7: "int16", 9: "int8", 10: "float64"},
}


def require_whole(data: bytes) -> None:
    """Do nothing if `data` is a whole TFLite file.

    Raises:
        ValueError: It is none, or is cut, or has more tables than any graph.
    """
    if data[4:8] != _IDENTIFIER:
        raise GraphError(f"no TFLite file: {data[4:8]!r} where {_IDENTIFIER!r} should be")
    _Content(data).check_table(0, "Model")


def refuse_misfit(record: GraphRecord, data: bytes) -> None:
    """Do nothing if a TFLite file is the graph that its record declares.

    Raises:
        BundleError: It is not: it is cut, reads other files, has operators that no runtime has
            built in, takes or gives other tensors, or is beyond a limit.
    """
    with misfit(record):
        require_whole(data)
        content = _Content(data)
        model = content.follow(0)
        _refuse_foreign(content, model)
        graph, inputs, outputs = _signature(content, model)
        fixed = min(record.buckets or (), default=0)
        refuse_other("inputs", record.inputs, _described(content, graph, inputs, fixed))
        refuse_other("outputs", record.outputs, _described(content, graph, outputs, fixed))


def _refuse_foreign(content: _Content, model: int) -> None:
    """Do nothing if all that `model` needs is in its file and in the runtime."""
    if content.tables(model, 8) or content.tables(model, 9):
        raise GraphError("a weight that lies in another file")
    for code in content.tables(model, 1):
        name = content.text(code, 1)
        if name:
            raise GraphError(f"an operator {name!r}, which no runtime has built in")
    for buffer in content.tables(model, 4):
        content.require(content.number(buffer, 1, "<Q"), content.number(buffer, 2, "<Q"))


def _signature(content: _Content, model: int) -> tuple[int, dict[str, int], dict[str, int]]:
    """Return the graph that is run, and its inputs and outputs: numbers of tensors by name.

    The names are those of the first signature; the tensors' own where there is none.
    """
    graphs, signatures = content.tables(model, 2), content.tables(model, 7)
    at = content.number(signatures[0], 4, "<I") if signatures else 0
    if at >= len(graphs):
        raise GraphError(f"graph {at} of {len(graphs)}")
    if signatures:
        sides = [
            {
                content.text(e, 0): content.number(e, 1, "<I")
                for e in content.tables(signatures[0], n)
            }
            for n in (0, 1)
        ]
    else:
        tensors = content.tables(graphs[at], 0)
        sides = [
            {content.text(_tensor(tensors, i), 3): i for i in content.numbers(graphs[at], n)}
            for n in (1, 2)
        ]
    return graphs[at], sides[0], sides[1]


def _described(
    content: _Content, graph: int, named: dict[str, int], fixed: int
) -> dict[str, Described]:
    """Return the dtypes and shapes of named tensors; a batch of `fixed` is taken as an open one."""
    tensors = content.tables(graph, 0)
    return {
        name: _described_tensor(content, _tensor(tensors, number), fixed)
        for name, number in named.items()
    }


def _described_tensor(content: _Content, tensor: int, fixed: int) -> Described:
    kind = content.number(tensor, 1, "<b")
    dims = content.numbers(tensor, 7) or content.numbers(tensor, 0)
    shape = tuple("?" if dim < 0 else dim for dim in dims)
    if fixed and shape[:1] == (fixed,):
        shape = ("?", *shape[1:])
    return _DTYPES.get(kind, f"dtype {kind}"), shape


def _tensor(tensors: list[int], number: int) -> int:
    if not 0 <= number < len(tensors):
        raise GraphError(f"tensor {number} of {len(tensors)}")
    return tensors[number]


@dataclass(frozen=True)
class _Content:
    """A FlatBuffer; places are counted in bytes from its start, fields of a table from 0."""

    data: bytes
    checked: set[tuple[int, str]] = field(default_factory=set)

    def check_table(self, slot: int, name: str) -> None:
        """Check the table that the offset at `slot` points to, and all that it points to."""
        table = self.follow(slot)
        if (table, name) in self.checked:
            return
        self.checked.add((table, name))
        if len(self.checked) > MOST_TABLES:
            raise GraphError(f"more than {MOST_TABLES:,} tables")
        layout = table - self._number("<i", table)
        layout_bytes, table_bytes = self._number("<H", layout), self._number("<H", layout + 2)
        self.require(layout, layout_bytes)
        self.require(table, table_bytes)
        for number, content in _TABLES[name].items():
            place = self._place(table, number)
            if place:
                self._check_field(place, content)

    def _check_field(self, slot: int, content: _Field) -> None:
        if isinstance(content, str):
            self.check_table(slot, content)
            return
        start, count = self._vector(slot)
        self.require(start, count * (content if isinstance(content, int) else 4))
        if isinstance(content, list):
            for index in range(count):
                self.check_table(start + 4 * index, content[0])

    def tables(self, table: int, number: int) -> list[int]:
        """Return where the tables of a vector in a table's field are."""
        return [self.follow(place) for place in self._elements(table, number)]

    def numbers(self, table: int, number: int) -> list[int]:
        """Return a vector of int32 in a table's field."""
        return [self._number("<i", place) for place in self._elements(table, number)]

    def text(self, table: int, number: int) -> str:
        """Return the text in a table's field; none where the field is not there."""
        place = self._place(table, number)
        start, count = self._vector(place) if place else (0, 0)
        return self.data[start : start + count].decode(errors="replace")

    def number(self, table: int, number: int, form: str) -> int:
        """Return a number of the struct's `form` in a table's field; 0 where it is not there."""
        place = self._place(table, number)
        return self._number(form, place) if place else 0

    def follow(self, slot: int) -> int:
        """Return where the offset at `slot` points to."""
        return slot + self._number("<I", slot)

    def require(self, place: int, count: int) -> None:
        """Do nothing if there are `count` bytes at `place`."""
        if place < 0 or place + count > len(self.data):
            raise GraphError(
                f"the file is cut: {len(self.data)} bytes, and it needs {place + count}"
            )

    def _elements(self, table: int, number: int) -> range:
        place = self._place(table, number)
        start, count = self._vector(place) if place else (0, 0)
        return range(start, start + 4 * count, 4)

    def _vector(self, slot: int) -> tuple[int, int]:
        vector = self.follow(slot)
        return vector + 4, self._number("<I", vector)

    def _place(self, table: int, number: int) -> int:
        """Return where a table's field lies, 0 if it has none."""
        layout = table - self._number("<i", table)
        entry = layout + 4 + 2 * number
        if entry + 2 > layout + self._number("<H", layout):
            return 0
        place = self._number("<H", entry)
        return table + place if place else 0

    def _number(self, form: str, place: int) -> int:
        self.require(place, struct.calcsize(form))
        (number,) = struct.unpack_from(form, self.data, place)
        return int(number)
