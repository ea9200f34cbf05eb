"""What a model says, brought to logits: softmax and a lone sigmoid taken off its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import InputError

#: What a file gives: ``sigmoid`` is one probability, of the second of two classes.
Said = Literal["logits", "softmax", "log-softmax", "sigmoid"]

_ENDS: dict[str, Said] = {
    "Softmax": "softmax",
    "LogSoftmax": "log-softmax",
    "Sigmoid": "sigmoid",
}
#: They hand on the numbers they read.
_PASSING = {"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_REST = "Take the classifier out of it: onnx.utils.extract_model(model, part, inputs, outputs)"


@dataclass(frozen=True)
class Answer:
    """What a file gives.

    Attributes:
        said: As what.
        classes: How many.
    """

    said: Said
    classes: int

    def of(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what the file says where its logits are these, float ``(n, classes)``.

        The second column alone for a sigmoid.
        """
        numbers = logits.astype(np.float64)
        if self.said == "logits":
            return numbers
        less = numbers - numbers.max(1, keepdims=True)
        logs = less - np.log(np.exp(less).sum(1, keepdims=True))
        if self.said == "log-softmax":
            return np.asarray(logs)
        return np.asarray(np.exp(logs[:, 1:] if self.said == "sigmoid" else logs))


def answer_of(graph: ir.Graph, examples: NDArray[np.generic]) -> Answer:
    """Return what `graph` gives, going by what it said of two images or more.

    Raises:
        InputError: It is no classifier of one class an image.
    """
    _refuse_other(examples)
    numbers = examples.reshape(len(examples), -1).astype(np.float64)
    end = _end(graph.outputs[0])
    said = "logits" if end is None else _ENDS[end.op_type]
    count = numbers.shape[1]
    if said == "sigmoid" and count > 1:
        raise InputError(
            "the model gives several classes an image at once",
            got=f"{count} sigmoids",
            expected="a softmax, or logits, of which the largest is the answer",
            fix="A cascade leaves at one answer: use a network with one class an image",
        )
    if count == 1 and said != "sigmoid":
        raise InputError(
            "the model gives one number an image",
            got=f"{graph.outputs[0].name}, without a sigmoid before it",
            expected="a probability of the second of two classes, or one logit a class",
        )
    if said == "logits":
        _refuse_probabilities(graph, numbers)
    return Answer(said, max(2, count))


def settle(graph: ir.Graph, answer: Answer) -> None:
    """Give `graph` the one output ``logits`` ``(n, classes)``; it is changed in place."""
    (output,) = graph.outputs
    if (end := _end(output)) is not None:
        source = end.inputs[0]
        assert source is not None
        ir.convenience.replace_all_uses_with(end.outputs[0], source, replace_graph_outputs=True)
    tape = ir.tape.Tape()
    numbers = graph.outputs[0]
    if numbers.shape is None or len(numbers.shape) != 2:
        numbers = tape.op("Flatten", [numbers], {"axis": 1})
    if answer.said == "sigmoid":
        # Of (0, z) the softmax is (1 - sigmoid(z), sigmoid(z)).
        pair = ir.tensor(np.array([[0, 1]], np.float32), name="logits.pair")
        numbers = tape.op("MatMul", [numbers, tape.initializer(pair)])
    graph.extend(list(tape.nodes))
    for value in tape.initializers:
        graph.register_initializer(value)
    numbers.name, numbers.type = "logits", ir.TensorType(ir.DataType.FLOAT)
    graph.outputs[0] = numbers


def _end(output: ir.Value) -> ir.Node | None:
    """Return the softmax or sigmoid at the end, ``None`` if there is none."""
    node = output.producer()
    while node is not None and node.op_type in _PASSING:
        source = node.inputs[0]
        node = None if source is None else source.producer()
    return node if node is not None and node.op_type in _ENDS else None


def _refuse_other(examples: NDArray[np.generic]) -> None:
    shape = examples.shape
    if examples.dtype.kind != "f":
        raise InputError(
            "the model gives labels, no scores", got=f"{examples.dtype} {shape}", fix=_REST
        )
    if len(shape) == 3:
        raise InputError(
            "the model looks like a detector",
            got=f"{shape[1]} times {shape[2]} numbers an image",
            expected="one number a class",
            fix=_REST,
        )
    if len(shape) > 3 and np.prod(shape[2:]) > 1:
        raise InputError(
            "the model looks like a segmenter",
            got=f"maps {shape[1:]} an image",
            expected="one number a class",
            fix=_REST,
        )


def _refuse_probabilities(graph: ir.Graph, numbers: NDArray[np.float64]) -> None:
    if numbers.min() >= 0 and np.allclose(numbers.sum(1), 1, atol=1e-3):
        maker = graph.outputs[0].producer()
        raise InputError(
            "the model gives probabilities that no Softmax makes",
            got="no node" if maker is None else f"{maker.op_type} ({maker.name}) at its end",
            expected="a Softmax, which is taken off, or logits",
            fix="Export it without its last activation",
        )
