"""Which nodes are narrowed: all but the image front and the backbone's own head."""

from __future__ import annotations

import pytest

from calexnet.export.precisions import trunk
from tests.support.small_cascade import parse

ANSWER = "probabilities = Softmax<axis=1>(logits)"


Found = tuple["str | None", list[str], "str | None"]


def found(body: str, image: str = "float[n,3,4,4] image") -> Found:
    graph = parse(f"plain ({image}) => (float[n,2] probabilities) {{ {body} {ANSWER} }}")
    part = trunk.find(graph)
    return part.entry.name, [node.outputs[0].name or "" for node in part.nodes], part.exit.name


FRONT = """
    turned = Transpose<perm=[0, 3, 1, 2]>(image)
    floats = Cast<to=1>(turned)
    scale = Constant<value_float=0.5>()
    scaled = Mul(floats, scale)
    moved = Add(scaled, scale)
"""
BODY = """
    w = Constant<value = float[2,3,1,1] {1,2,3,4,5,6}>()
    made = Conv(SOURCE, w)
    kept = Relu(made)
"""
HEAD = """
    pooled = GlobalAveragePool(kept)
    flat = Flatten<axis=1>(pooled)
    m = Constant<value = float[2,2] {1,2,3,4}>()
    logits = MatMul(flat, m)
"""


@pytest.mark.parametrize("head", [HEAD, HEAD.replace("logits =", "z =") + "logits = Add(z, m)"])
def test_what_lies_between_the_front_and_the_head_is_narrowed(head: str) -> None:
    body = FRONT + BODY.replace("SOURCE", "moved") + head

    assert ("moved", ["w", "made", "kept"], "kept") == found(body, "uint8[n,4,4,3] image")


def test_without_a_front_the_image_is_the_entry() -> None:
    body = BODY.replace("SOURCE", "image") + HEAD

    assert ("image", ["w", "made", "kept"], "kept") == found(body)


def test_an_image_that_goes_two_ways_ends_the_front() -> None:
    body = FRONT + BODY.replace("SOURCE", "moved") + HEAD.replace("(kept)", "(both)")
    body = body.replace("pooled", "both = Add(kept, kept) pooled", 1)
    late = "late = Conv(moved, w) "
    body = body.replace("both = Add(kept, kept)", late + "both = Add(kept, late)")

    entry, inside, _ = found(body, "uint8[n,4,4,3] image")

    assert "moved" == entry
    assert ["w", "made", "kept", "late", "both"] == inside


def test_only_the_last_linear_layer_belongs_to_the_head() -> None:
    body = (
        BODY.replace("SOURCE", "image")
        + """
    pooled = GlobalAveragePool(kept)
    flat = Flatten<axis=1>(pooled)
    m = Constant<value = float[2,2] {1,2,3,4}>()
    hidden = Gemm(flat, m)
    active = Relu(hidden)
    logits = Gemm(active, m)
"""
    )

    assert "active" == found(body)[2]
