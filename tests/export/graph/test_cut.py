"""Cutting a graph: the pieces, run one after the other, compute what the whole does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.graph.cut import Stage, cut
from tests.support.small_cascade import parse, run, run_session, session

Floats = NDArray[np.float32]
BATCHES = (1, 3, 5)


def graph_text(body: str, *, constants: str = "", shapes: str = "") -> str:
    """Return ONNX text from an image ``(n, 3, 4)`` to logits ``(n, 12)``."""
    return f"""g (float[n,3,4] image) => (float[n,12] logits)
        <{constants} {shapes} float[1] one = {{1}}, int64[1] at_zero = {{0}}, int64 zero = {{0}},
        int64[1] twelve = {{12}}, int64[1] all = {{-1}}>
        {{ {body} }}"""


@dataclass(frozen=True)
class Pieces:
    """A graph, whole and cut."""

    whole: onnxruntime.InferenceSession
    stages: tuple[Stage, ...]
    sessions: tuple[onnxruntime.InferenceSession, ...]

    def reads(self, stage: int) -> set[str]:
        return {value.name for value in self.sessions[stage].get_inputs()}

    def operators(self, stage: int) -> list[str]:
        return [node.op_type for node in self.stages[stage].graph]

    def check(self, image: Floats) -> None:
        """Compare the chain with the whole, for everyone and with two in three lost at a cut."""
        for thin in (1, 3):
            state: dict[str, Any] = {"image": image}
            for number, piece in enumerate(self.sessions):
                state.update(run_session(piece, state))
                assert set(self.stages[number].carried) <= set(state)
                # Survivors: what is carried is gathered along its first axis, nothing else.
                carried = {"image", *(name for stage in self.stages for name in stage.carried)}
                if number + 1 < len(self.sessions):
                    state = {name: v[::thin] for name, v in state.items() if name in carried}
            expected = run_session(
                self.whole, {"image": image[:: thin ** (len(self.sessions) - 1)]}
            )
            np.testing.assert_allclose(state["logits"], expected["logits"], rtol=1e-6)


def pieces(text: str, *attach: str) -> Pieces:
    whole = session(parse(text))
    stages = cut(parse(text), attach, ["logits"])
    return Pieces(whole, stages, tuple(session(stage.graph) for stage in stages))


def images(batch: int) -> Floats:
    return np.random.default_rng(batch).normal(size=(batch, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_plain_chain_carries_its_features_alone(batch: int) -> None:
    chain = "a = Relu(image) b = Add(a, one) c = Neg(b) d = Abs(c) logits = Flatten(d)"

    made = pieces(graph_text(chain), "a", "c")

    made.check(images(batch))
    assert [("a",), ("c",), ()] == [stage.carried for stage in made.stages]
    assert [{"image"}, {"a"}, {"c"}] == [made.reads(stage) for stage in range(3)]
    assert [["Relu"], ["Add", "Neg"], ["Abs", "Flatten"]] == [made.operators(k) for k in range(3)]


@pytest.mark.parametrize("batch", BATCHES)
def test_inside_a_residual_block_both_paths_cross(batch: int) -> None:
    block = """a = Relu(image) b = Add(a, one) inner = Mul(b, b) c = Neg(inner)
               sum = Add(c, a) logits = Flatten(sum)"""

    made = pieces(graph_text(block), "inner")

    made.check(images(batch))
    assert {"a", "inner"} == set(made.stages[0].carried) == made.reads(1)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_tensor_may_pass_over_several_cuts(batch: int) -> None:
    text = graph_text(
        "a = Relu(image) b = Neg(a) c = Abs(b) d = Add(c, a) e = Add(d, one) logits = Flatten(e)"
    )

    made = pieces(text, "a", "b", "c")

    made.check(images(batch))
    assert {"a", "c"} == made.reads(3)
    assert {"a"} == made.reads(1)


@pytest.mark.parametrize("batch", BATCHES)
def test_an_image_that_is_read_late_is_carried(batch: int) -> None:
    text = graph_text("a = Relu(image) b = Neg(a) c = Add(b, image) logits = Flatten(c)")

    made = pieces(text, "a", "b")

    made.check(images(batch))
    assert {"b", "image"} == made.reads(2)
    assert {"a"} == made.reads(1)


def test_a_feature_that_only_its_branch_reads_is_given_but_not_carried() -> None:
    text = graph_text("a = Relu(image) side = Neg(a) b = Abs(a) logits = Flatten(b)")

    made = pieces(text, "side")

    made.check(images(3))
    assert ("a",) == made.stages[0].carried
    assert {"a", "side"} == {value.name for value in made.stages[0].graph.outputs}


def test_what_nobody_needs_is_left_out() -> None:
    text = graph_text("a = Relu(image) unused = Neg(a) b = Abs(a) logits = Flatten(b)")

    made = pieces(text, "a")

    assert ["Relu", "Abs", "Flatten"] == [*made.operators(0), *made.operators(1)]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    "shared",
    [
        pytest.param("w = Identity(one)", id="of an initializer"),
        pytest.param("w = Constant<value_floats = [2.0, 3.0, 4.0, 5.0]>()", id="a node"),
        pytest.param(
            "u = Constant<value_floats = [2.0]>() v = Neg(u) x = Add(v, one) w = Mul(x, v)",
            id="worked out in several steps",
        ),
    ],
)
def test_a_constant_that_several_stages_read_is_made_in_each(batch: int, shared: str) -> None:
    text = graph_text(f"{shared} a = Add(image, w) b = Mul(a, w) c = Sub(b, w) logits = Flatten(c)")

    made = pieces(text, "a", "b")

    made.check(images(batch))
    assert [{"image"}, {"a"}, {"b"}] == [made.reads(stage) for stage in range(3)]


def test_an_initializer_that_several_stages_read_is_kept_in_each() -> None:
    made = pieces(
        graph_text("a = Add(image, one) b = Mul(a, one) c = Add(b, one) logits = Flatten(c)"),
        "a",
        "b",
    )

    made.check(images(3))
    assert [1, 1, 1] == [
        sum(len(value.shape or ()) == 1 for value in stage.graph.initializers.values())
        for stage in made.stages
    ]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    "size",
    [
        pytest.param("t = Shape<start = 0, end = 1>(image)", id="a slice of a shape"),
        pytest.param("s = Shape(image) t = Gather(s, at_zero)", id="gathered"),
        pytest.param(
            "s = Shape(image) u = Gather(s, zero) t = Unsqueeze(u, at_zero)", id="in three steps"
        ),
        pytest.param(
            "s = Shape<start = 0, end = 1>(image) u = Squeeze(s) v = Mul(u, w) t = Reshape(v, all)",
            id="in four steps",
        ),
    ],
)
def test_a_batch_size_that_leaks_over_a_cut_is_read_off_the_survivors(
    batch: int, size: str
) -> None:
    text = graph_text(
        f"""{size} flat = Concat<axis = 0>(t, twelve) box = Concat<axis = 0>(t, sides)
            a = Reshape(image, flat) b = Relu(a) c = Reshape(b, box) d = Neg(c)
            logits = Reshape(d, flat)""",
        constants="int64[2] sides = {4, 3}, int64 w = {1},",
        shapes="float[n,12] a, float[n,12] b, float[n,4,3] c, float[n,4,3] d,",
    )

    made = pieces(text, "b")

    made.check(images(batch))
    assert {"b"} == made.reads(1)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("part", ["<start = 1>", "<start = 1, end = 3>", "<start = -2>"])
def test_a_shape_without_the_batch_becomes_a_constant(batch: int, part: str) -> None:
    text = graph_text(
        f"""s = Shape{part}(image) a = Expand(image, s) b = Relu(a) c = Expand(b, s)
            logits = Flatten(c)"""
    )

    made = pieces(text, "b")

    made.check(images(batch))
    assert {"b"} == made.reads(1)
    assert "Constant" in made.operators(1)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_whole_shape_keeps_its_other_sizes(batch: int) -> None:
    text = graph_text(
        """s = Shape(image) a = Expand(one, s) b = Add(a, image) c = Expand(one, s) d = Add(b, c)
           logits = Flatten(d)"""
    )

    made = pieces(text, "b")

    made.check(images(batch))
    assert {"b"} == made.reads(1)


def test_attach_points_out_of_order_are_refused() -> None:
    text = graph_text("a = Relu(image) b = Neg(a) c = Abs(b) logits = Flatten(c)")

    with pytest.raises(
        ExportError,
        match=r"^the attach points are out of order: got a after b; expected the order in which "
        r"data reaches them\. Reorder --attach\.$",
    ):
        cut(parse(text), ("b", "a"), ["logits"])


@pytest.mark.parametrize(
    ("attach", "got"),
    [(("image",), "image after the image"), (("logits",), "logits after logits")],
)
def test_the_image_and_the_logits_are_no_places_to_cut(attach: tuple[str, ...], got: str) -> None:
    text = graph_text("a = Relu(image) logits = Flatten(a)")

    with pytest.raises(ExportError, match=f"^the attach points are out of order: got {got};"):
        cut(parse(text), attach, ["logits"])


@pytest.mark.parametrize(
    ("crossing", "name"),
    [
        ("m = ReduceMean<keepdims = 1>(a, at_zero)", "m"),
        ("m = Transpose<perm = [1, 0, 2]>(a)", "m"),
        (
            "s = Shape(a) z = Gather(s, zero) f = Cast<to = 1>(z) r = ReduceMax(a) m = Mul(r, f)",
            "r",
        ),
        ("m = Concat<axis = 0>(a, a)", "m"),
    ],
    ids=["a mean over the batch", "batch second", "a maximum over all", "the batch twice"],
)
def test_a_tensor_without_its_batch_first_is_refused_by_name(crossing: str, name: str) -> None:
    """`m` is made before the cut, since the feature needs it, and read after it.

    What is named is where the batch was lost.
    """
    back = {
        "Transpose": "x = Transpose<perm = [1, 0, 2]>(m)",
        "Concat": "x = Slice(m, at_zero, one_step)",
    }
    step = next((text for op, text in back.items() if op in crossing), "x = Identity(m)")
    text = graph_text(
        f"""a = Relu(image) {crossing} {step} mean = ReduceMean<keepdims = 0>(x) b = Add(a, mean)
            c = Neg(b) {step.replace("x =", "y =")} high = ReduceMax<keepdims = 0>(y)
            d = Add(c, high) logits = Flatten(d)""",
        constants="int64[1] one_step = {1},",
    )

    with pytest.raises(
        ExportError,
        match=rf"^the graph cannot be cut at b: got a tensor '{name}' .* that would have to cross; "
        r"expected only tensors with the leading axis 'n', which survivors can be gathered along\. "
        r"Choose another attach point\.$",
    ):
        cut(parse(text), ("b",), ["logits"])


@st.composite
def random_cuts(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """Return a random graph of elementwise operators, and attach points in running order."""
    names, lines = ["image"], []
    for number in range(draw(st.integers(3, 10))):
        name = f"v{number}"
        one, other = (draw(st.sampled_from(names[-4:])) for _ in range(2))
        lines.append(
            draw(
                st.sampled_from(
                    [
                        f"{name} = Relu({one})",
                        f"{name} = Add({one}, {other})",
                        f"{name} = Sub({one}, {other})",
                        f"{name} = Mul({one}, half)",
                        f"{name} = Max({one}, {other}, image)",
                        f"{name} = Add({one}, shared)",
                        f"{name} = Reshape({one}, size)",
                    ]
                )
            )
        )
        names.append(name)
    last = names[-1]
    inner = names[1:-1]
    chosen = draw(st.sets(st.sampled_from(inner), min_size=1, max_size=3))
    body = (
        "shared = Constant<value_floats = [2.0, 3.0, 4.0, 5.0]>() size = Shape(image) "
        + " ".join(lines)
        + f" logits = Flatten({last})"
    )
    attach = tuple(sorted(chosen, key=inner.index))
    declared = ", ".join(f"float[n,3,4] {name}" for name in names[1:])
    text = f"g (float[n,3,4] image) => (float[n,12] logits) <float[1] half = {{0.5}}, {declared}>"
    return f"{text} {{ {body} }}", attach


@pytest.mark.slow
@settings(max_examples=60)
@given(random_cuts())
def test_any_graph_cut_anywhere_computes_what_the_whole_does(
    case: tuple[str, tuple[str, ...]],
) -> None:
    text, attach = case

    made = pieces(text, *attach)

    for batch in BATCHES:
        made.check(images(batch))
    assert len(attach) + 1 == len(made.stages)
    carried: set[str] = {"image"}
    for number, stage in enumerate(made.stages):
        assert made.reads(number) <= carried
        carried |= set(stage.carried)


@settings(max_examples=20)
@given(random_cuts())
def test_each_stage_gives_its_feature_as_the_whole_does(case: tuple[str, tuple[str, ...]]) -> None:
    text, attach = case
    graph = parse(text)
    values = {value.name: value for node in graph for value in node.outputs}
    graph.outputs[:] = [values[name] for name in attach]
    expected = run(graph, {"image": images(3)})

    state: dict[str, Any] = {"image": images(3)}
    for stage in cut(parse(text), attach, ["logits"]):
        state.update(run(stage.graph, state))

    for name in attach:
        np.testing.assert_allclose(state[name], expected[name], rtol=1e-6)
