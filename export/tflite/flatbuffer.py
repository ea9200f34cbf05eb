"""A ``.tflite`` file as it grows: tensors, operators, one signature; then its bytes.

The schema's classes are generated code that the LiteRT package ships and does not document, so its
version is pinned where files are written and a test reads every name that is used here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import RuntimeUnavailableError
from calexnet.export.tflite.quantisation import Quantisation

#: Stands for the batch in the dimensions of a tensor; every file takes any batch.
BATCH = -1

#: numpy dtype -> the schema's name of it. What ONNX counts in int64 fits into int32 here.
TYPES = {
    "bool": "BOOL",
    "float16": "FLOAT16",
    "float32": "FLOAT32",
    "int32": "INT32",
    "int64": "INT32",
    "int8": "INT8",
    "uint8": "UINT8",
}

#: Operator -> the version that began to count in int8; for DEQUANTIZE, to read float16.
_NARROW_VERSIONS = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 3,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "PADV2": 2,
    "RELU": 2,
    "SPLIT_V": 2,
    "STRIDED_SLICE": 2,
    "SUB": 2,
    "TRANSPOSE": 2,
}
_NARROW = ("INT8", "FLOAT16")

_IDENTIFIER = b"TFL3"
_VERSION = 3
#: The schema demands that the data of buffers are aligned so.
_ALIGNMENT = 16


def require() -> None:
    """Do nothing if TFLite files can be written here.

    Raises:
        RuntimeUnavailableError: The schema, flatbuffers or onnx are not installed.
    """
    try:
        import flatbuffers  # noqa: F401
        import onnx  # noqa: F401
        import onnx_ir  # noqa: F401
        from ai_edge_litert import schema_py_generated  # noqa: F401
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "TFLite cannot be written here",
            got=missing,
            fix="Run: pip install 'calexnet[tflite-export]'",
        ) from missing


class FlatModel:
    """One graph with one signature, written operator by operator in running order."""

    def __init__(self, name: str) -> None:
        require()
        from ai_edge_litert import schema_py_generated as schema

        self._schema: Any = schema
        self._name = name
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[str, int], int] = {}
        self._buffers: list[Any] = [schema.BufferT()]  # the first one stays empty
        self._buffer_type = _aligned_buffer_type(schema)
        self._size = 0

    def tensor(
        self,
        name: str,
        dims: Sequence[int],
        dtype: str,
        found: Quantisation | None = None,
        buffer: int = 0,
    ) -> int:
        """Add a tensor with `BATCH` where its batch is; return its index.

        Args:
            name: Of its own.
            dims: Its dimensions.
            dtype: Of numpy.
            found: What its integers stand for, if it is quantised.
            buffer: Of its data, if it is constant.
        """
        tensor = self._schema.TensorT()
        tensor.name, tensor.buffer = name, buffer
        tensor.type = getattr(self._schema.TensorType, TYPES[dtype])
        tensor.shape = np.array([1 if dim == BATCH else dim for dim in dims], np.int32)
        if BATCH in dims:
            tensor.shapeSignature = np.array(dims, np.int32)
        if found is not None:
            tensor.quantization = self._quantisation(found)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, name: str, array: NDArray[Any], found: Quantisation | None = None) -> int:
        """Add a constant tensor; return its index."""
        if array.dtype == np.int64:
            array = array.astype(np.int32)
        data = np.ascontiguousarray(array).tobytes()
        self._buffers.append(self._buffer_type(data))
        self._size += len(data) + _ALIGNMENT
        return self.tensor(name, array.shape, array.dtype.name, found, len(self._buffers) - 1)

    def _quantisation(self, found: Quantisation) -> Any:
        written = self._schema.QuantizationParametersT()
        written.scale, written.zeroPoint = found.scale, found.zero_point
        written.quantizedDimension = found.axis
        return written

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        fields: Mapping[str, Any] | None = None,
        version: int = 1,
    ) -> None:
        """Add an operator after all that are there.

        Args:
            code: A name of the schema's ``BuiltinOperator``.
            inputs: Indices of tensors.
            outputs: Likewise.
            options: A name of the schema's ``BuiltinOptions``.
            fields: What to set in them.
            version: Of the operator, on floats.
        """
        if any(self._is_narrow(index) for index in inputs):
            version = max(version, _NARROW_VERSIONS.get(code, 1))
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if options:
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(self._schema, f"{options}T")()
            for name, value in (fields or {}).items():
                if not hasattr(operator.builtinOptions, name):
                    raise AttributeError(f"{options} has no field {name}")
                setattr(operator.builtinOptions, name, value)
        self._operators.append(operator)

    def _is_narrow(self, index: int) -> bool:
        return self._tensors[index].type in [
            getattr(self._schema.TensorType, name) for name in _NARROW
        ]

    def enumeration(self, kind: str, name: str) -> int:
        """Return the number of a name in one of the schema's enumerations."""
        number: int = getattr(getattr(self._schema, kind), name)
        return number

    def finish(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """Return the file's bytes; the same calls give the same bytes.

        Args:
            inputs: Name -> tensor, of the graph and of its signature.
            outputs: Likewise.
        """
        import flatbuffers

        schema = self._schema
        for index in set(range(len(self._tensors))) - {*inputs.values(), *outputs.values()}:
            # Planning finds theirs. Told that one varies, TOPK_V2 leaves its outputs, and what is
            # made of them, without memory until it runs.
            self._tensors[index].shapeSignature = None
        graph = schema.SubGraphT()
        graph.name = self._name
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs = np.array(list(inputs.values()), np.int32)
        graph.outputs = np.array(list(outputs.values()), np.int32)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = self._name, 0
        signature.inputs = [self._entry(*pair) for pair in inputs.items()]
        signature.outputs = [self._entry(*pair) for pair in outputs.items()]
        model = schema.ModelT()
        model.version, model.description = _VERSION, "calexnet"
        model.operatorCodes = [self._code(*key) for key in self._codes]
        model.subgraphs, model.signatureDefs = [graph], [signature]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(self._size + 2**16)
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _entry(self, name: str, tensor: int) -> Any:
        entry = self._schema.TensorMapT()
        entry.name, entry.tensorIndex = name, tensor
        return entry

    def _code(self, name: str, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, name)
        # Readers of the first schema know a byte only.
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        return code


def _aligned_buffer_type(schema: Any) -> Any:
    """Return a kind of ``BufferT`` that aligns its data; the generated one does not."""

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
        def __init__(self, data: bytes) -> None:
            super().__init__()
            self.data = data

        def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema's own name
            size = len(self.data)
            builder.StartVector(1, size, _ALIGNMENT)
            builder.head -= size
            builder.Bytes[builder.head : builder.head + size] = self.data
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    return AlignedBuffer
