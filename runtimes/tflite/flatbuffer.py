"""Whether a ``.tflite`` file is whole: everything that it points to lies within it.

tflite-runtime reads a file without looking, and a cut one takes the process down. A TFLite file is
a FlatBuffer: tables, vectors and strings that point to each other by offsets. The fields are
numbered as in TensorFlow's ``schema.fbs``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

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
}


def require_whole(data: bytes) -> None:
    """Do nothing if `data` is a whole TFLite file.

    Raises:
        ValueError: It is none, or is cut.
    """
    if data[4:8] != _IDENTIFIER:
        raise ValueError(f"no TFLite file: {data[4:8]!r} where {_IDENTIFIER!r} should be")
    _Content(data).check_table(0, "Model")


@dataclass(frozen=True)
class _Content:
    data: bytes

    def check_table(self, slot: int, name: str) -> None:
        """Check the table that the offset at `slot` points to, and all that it points to."""
        table = self._follow(slot)
        layout = table - self._number("<i", table)
        layout_bytes, table_bytes = self._number("<H", layout), self._number("<H", layout + 2)
        self._require(layout, layout_bytes)
        self._require(table, table_bytes)
        for number, content in _TABLES[name].items():
            entry = layout + 4 + 2 * number
            place = self._number("<H", entry) if entry + 2 <= layout + layout_bytes else 0
            if place:
                self._check_field(table + place, content)

    def _check_field(self, slot: int, content: _Field) -> None:
        if isinstance(content, str):
            self.check_table(slot, content)
            return
        vector = self._follow(slot)
        count = self._number("<I", vector)
        each = content if isinstance(content, int) else 4
        self._require(vector + 4, count * each)
        if isinstance(content, list):
            for index in range(count):
                self.check_table(vector + 4 + 4 * index, content[0])

    def _follow(self, slot: int) -> int:
        return slot + self._number("<I", slot)

    def _number(self, form: str, place: int) -> int:
        self._require(place, struct.calcsize(form))
        (number,) = struct.unpack_from(form, self.data, place)
        return int(number)

    def _require(self, place: int, count: int) -> None:
        if place < 0 or place + count > len(self.data):
            raise ValueError(
                f"the file is cut: {len(self.data)} bytes, and it needs {place + count}"
            )
