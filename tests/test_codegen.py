"""The code generator: what the table may say, what each formula becomes, and the errors for what it may not say.

Runs on a source checkout; the generator is no part of the installed package.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "codegen.py"


@pytest.fixture(scope="module")
def codegen():
    spec = importlib.util.spec_from_file_location("dezero_c_codegen", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def entry(**changes):
    fields = {"name": "half", "args": ["x"], "forward": "1/2 * x", "backward": {"x": "1/2 * gy"},
              "numpy": "0.5 * x", "domain": [[-1.0, 1.0]], "math": "x / 2", "doc": "Half."}
    return {**fields, **changes}


def table_with(codegen, **changes):
    table = codegen.load()
    op = codegen.Op(entry(**changes))
    return {**table, op.name: op}


def kernel(codegen, dtype="f64", **changes):
    table = table_with(codegen, **changes)
    full = next(d for d in codegen.DTYPES if d[0] == dtype)
    return codegen.c_kernel(table["half"], table, "fwd", table["half"].forward, full)[1]


def test_one_over_two_is_a_half(codegen):
    """Numbers in a formula are real: C's 1/2 would be 0."""
    assert "(double)0.5 * x_" in kernel(codegen)
    assert "(float)0.5 * x_" in kernel(codegen, "f32")
    rule = codegen.GraphFormula(codegen.Op(entry()), "backward.x", codegen.load(), True)
    assert rule.visit(codegen.Op(entry()).backward[0]) == "apply2(DZ_OP_MUL, 0.5, gy)"


def test_order_and_brackets_are_kept(codegen):
    assert "((x_ + (double)1.0) * (x_ - (double)2.0))" in kernel(codegen, forward="(x + 1) * (x - 2)")
    assert "(x_ - (x_ - (double)1.0))" in kernel(codegen, forward="x - (x - 1)")


def test_a_large_function_is_a_pass_and_the_rest_is_fused(codegen):
    text = kernel(codegen, forward="tanh(x * 2) + 1")
    assert text.count("dz_tanh_f64(") == 1
    assert text.count("DZ_IVDEP") == 2      # a loop before the pass and one after
    assert "DZ_CHUNK" in text
    assert "DZ_CHUNK" not in kernel(codegen, forward="exp(x)")     # NumPy's loop alone, straight into the output


def test_another_operation_is_put_in_by_its_formula(codegen):
    assert kernel(codegen, forward="silu(x) + silu(x)").count("dz_sigmoid_f64(") == 1    # named twice, computed once
    assert "(x_ * x_)" in kernel(codegen, forward="square(x)")


def test_names_of_let(codegen):
    """A name stands for its formula: once in the rule, and a comparison behind it keeps flags quiet."""
    changes = {"let": {"m": "x > 0", "e": "exp(x) * m"}, "backward": {"x": "gy * (e + e * e)"}}
    table = table_with(codegen, **changes)
    op = table["half"]
    rule = codegen.GraphFormula(op, "backward.x", table, True)
    assert rule.visit(op.backward[0]).count("e, e") == 1
    assert list(rule.lines) == ["m", "e"]
    text = codegen.cython_source(table)
    assert text.index("            m = mask(") < text.index("            e = apply2(")
    assert codegen.c_kernel(op, table, "bwd_x", op.backward[0], codegen.DTYPES[1])[1].count("dz_exp_f64(") == 1
    assert any(type(node).__name__ == "Compare" for node in op.walk(op.backward[0]))
    with pytest.raises(codegen.TableError, match=r"half.*'nothing'"):
        kernel(codegen, let={"m": "nothing"}, forward="x * m")


def test_generation_is_stable(codegen):
    """Nothing depends on hashing or on the time, so that builds are reproducible."""
    assert codegen.outputs(codegen.load()) == codegen.outputs(codegen.load())


def test_every_operation_is_everywhere(codegen):
    table = codegen.load()
    texts = codegen.outputs(table)
    for op in table.values():
        assert f"dz_{op.name}_fwd_f32" in texts["src/kernels/generated/dz_ops.inc"]
        assert f"dz_{op.name}_fwd_f64" in texts["src/kernels/generated/dz_ops.inc"]
        assert op.constant in texts["src/kernels/generated/dz_enum.h"]
        assert f"cdef class {op.cls}(" in texts["src/dezero_c/_ops.pyx"]
        assert f"def {op.name}(" in texts["dezero_c/_ops.pyi"]
        assert f"`{op.name}(" in texts["docs/ops.md"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"forward": "x * slope"}, ["half", "slope"]),
        ({"forward": "lgamma(x)"}, ["half", "lgamma"]),
        ({"forward": "x.T"}, ["half", "x.T"]),
        ({"forward": "x ** 2"}, ["half", "x ** 2"]),
        ({"forward": "__import__('os')"}, ["half"]),
        ({"forward": "sin(x, x)"}, ["half", "sin", "1"]),
        ({"forward": "clip(x)"}, ["half", "clip"]),
        ({"forward": "gy * x"}, ["half", "gy"]),
        ({"forward": "'text'"}, ["half"]),
        ({"forward": "x *"}, ["half", "forward"]),
        ({"backward": {"z": "gy"}}, ["half", "z"]),
        ({"domain": []}, ["half", "domain"]),
        ({"colour": "red"}, ["half", "colour"]),
        ({"doc": None, "args": []}, ["half"]),
    ],
    ids=range(14),
)
def test_what_the_table_may_not_say(codegen, changes, words):
    with pytest.raises(codegen.TableError) as info:
        kernel(codegen, **changes)
    for word in words:
        assert word in str(info.value)


def test_a_missing_field_is_named(codegen):
    fields = entry()
    del fields["numpy"]
    with pytest.raises(codegen.TableError, match=r"half.*numpy"):
        codegen.Op(fields)


def test_a_name_twice(codegen, tmp_path):
    text = (SOURCE.parent / "ops.toml").read_text(encoding="utf-8")
    first = text.split("[[op]]")[1]
    (tmp_path / "ops.toml").write_text(text + "\n[[op]]" + first, encoding="utf-8")
    with pytest.raises(codegen.TableError, match=r"add: defined twice"):
        codegen.load(tmp_path / "ops.toml")


def test_parameters_first_and_a_choice_of_operations(codegen):
    table = table_with(codegen, params=["c"], params_first=True, forward="c * x",
                       select={"how": {"here": "cos", "there": "sin"}})
    text = codegen.cython_source(table)
    assert "def half(c, x, how='here'):" in text
    assert "    if how == 'there':\n        return apply1(DZ_OP_SIN, x)" in text
    assert "half: how is {how!r}; it must be 'here' or 'there'" in text
    assert 'def half(c: Operand | None, x: Operand, how: str = "here") -> Variable:' in codegen.stub_source(table)


@pytest.mark.parametrize("name", ["largest", "ten(1)"])
def test_what_is_for_forward_alone(codegen, name):
    table = table_with(codegen, backward={"x": f"gy * {name}"})
    with pytest.raises(codegen.TableError, match=r"half.*is for forward"):
        codegen.cython_source(table)
