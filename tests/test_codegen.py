"""The code generator: what the table may say, what each formula becomes, and the errors for what it may not say.

Runs on a source checkout; the generator is no part of the installed package.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(scope="module")
def codegen():
    """The package's names, of all its rooms."""
    sys.path.insert(0, str(SOURCE))
    try:
        import codegen as package
        from codegen import formulas, kernels, pages, rules, table
    finally:
        sys.path.remove(str(SOURCE))
    names = {}
    for module in (table, formulas, kernels, rules, pages, package):
        names.update(vars(module))
    yield SimpleNamespace(**names)
    for name in [n for n in sys.modules if n.partition(".")[0] == "codegen"]:
        del sys.modules[name]


def entry(**changes):
    fields = {"name": "half", "args": ["x"], "forward": "1/2 * x", "backward": {"x": "1/2 * gy"},
              "numpy": "0.5 * x", "domain": [[-1.0, 1.0]], "math": "x / 2", "doc": "Half."}
    return {**fields, **changes}


def table_with(codegen, **changes):
    table = codegen.load()
    op = table["half"] = codegen.Op(entry(**changes))
    codegen.check_among_others(op, table, codegen.of_families(), codegen.dispatches())
    return table


def kernel(codegen, dtype="f64", **changes):
    table = table_with(codegen, **changes)
    full = next(d for d in codegen.DTYPES if d[0] == dtype)
    return codegen.c_kernel(table["half"], table, "fwd", table["half"].forward, full)[1]


def everything(codegen, **changes):
    """All that is made of the table."""
    return codegen.outputs(table_with(codegen, **changes))


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
        assert f"dz_{op.name}_fwd_f32" in texts["src/kernels/generated/ops.inc"]
        assert f"dz_{op.name}_fwd_f64" in texts["src/kernels/generated/ops.inc"]
        assert op.constant in texts["src/kernels/generated/enum.h"]
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
        ({"args": ["y"], "forward": "2 * y", "backward": {}, "numpy": "2 * y"}, ["half: args: 'y'", "another name, such as x"]),
        ({"args": ["gy"], "forward": "2 * gy", "backward": {}, "numpy": "2 * gy"}, ["half: args: 'gy'"]),
        ({"args": ["n"], "forward": "2 * n", "backward": {}, "numpy": "2 * n"}, ["half: args: 'n'"]),
        ({"args": ["double"], "forward": "double", "backward": {}, "numpy": "double"}, ["half: args: 'double'"]),
        ({"args": ["lambda"], "forward": "x", "backward": {}, "numpy": "x"}, ["half: args: 'lambda' can be no variable"]),
        ({"args": ["x", "x"], "domain": [[0, 1], [0, 1]]}, ["half: args: 'x' is there twice"]),
        ({"params": ["x = 1"]}, ["half: params: 'x' is there twice"]),
        ({"let": {"where": "x"}}, ["half: let: 'where'"]),
        ({"params": ["c"]}, ["half: examples: () for the parameters ['c']"]),
        ({"params": ["c"], "examples": ["1, 2"]}, ["half: examples: (1, 2) for the parameters ['c']"]),
        ({"params": ["p = 1", "q = 1", "r = 1"], "forward": "x * r"}, ["half: fwd: 'r' is parameter 3, and kernels have 2"]),
        ({"backward": {"x": "powm1(x, x + 1) * gy"}}, ["half: bwd_x: powm1: 'x + 1' must be a number or a parameter"]),
        ({"forward": "half(x) + 1"}, ["half: fwd: it names itself: half -> half; only a primitive"]),
        ({"let": {"m": "m + x"}, "forward": "m"}, ["half: fwd: 'm' of let names itself: m -> m"]),
        ({"let": {"m": "l * x", "l": "m + 1"}, "forward": "m"}, ["m -> l -> m"]),
        ({"numpy": "np.expp(x)"}, ["half: numpy: NumPy has no 'expp'"]),
        ({"numpy": "numpy.exp(x)"}, ["half: numpy: there is no 'numpy'; known are np, the arguments"]),
        ({"numpy": "0.5 * z"}, ["half: numpy: there is no 'z'"]),
        ({"params": ["c = 1"], "dispatch": "powerany"}, ["half: dispatch = 'powerany'", "'power_any'", "_elementwise.pxd"]),
        ({"dispatch": "power_any"}, ["half: dispatch", "with params"]),
        ({"name": "sum"}, ["sum: name: 'sum' is there in src/dezero_c/_reduce.pyx"]),
        ({"name": "total", "class": "Sum"}, ["total: name: 'Sum' is there in src/dezero_c/_reduce.pyx"]),
        ({"name": "total", "class": "Tanh"}, ["total: class: 'Tanh' is that of tanh too"]),
        ({"name": "exception"}, ["exception: class: 'Exception' is Python's"]),
        ({"name": "class"}, ["class: name: it becomes a function"]),
        ({"name": "double"}, ["double: name: it becomes a function"]),
        ({"name": "Half"}, ["Half: name: it becomes a function"]),
        ({"select": {"how": {"one": "twice"}}}, ["half: select: one = 'twice' is no operation of 1 argument"]),
        ({"domain": [[1.0, 1.0]]}, ["half: domain [1.0, 1.0]"]),
        ({"special": [[1.0], [2.0]]}, ["half: special: a list of points for each of the 1"]),
        ({"ulp": -1}, ["half: ulp = -1 is no bound"]),
        ({"atol": "small"}, ["half: atol = 'small' is no bound"]),
    ],
)
def test_what_the_table_may_not_say(codegen, changes, words):
    """Each error names the entry, the field and what to do."""
    with pytest.raises(codegen.TableError) as info:
        everything(codegen, **changes)
    for word in words:
        assert word in str(info.value)


def test_two_operations_that_name_each_other(codegen):
    table = table_with(codegen, forward="twin(x)")
    table["twin"] = codegen.Op(entry(name="twin", forward="half(x)"))
    with pytest.raises(codegen.TableError, match=r"half: fwd: it names itself: half -> twin -> half"):
        codegen.c_source(table)


@pytest.mark.parametrize(("fields", "words"), [
    ({"name": "f", "args": 3}, "one or two arguments"), ({"name": "f", "own": ["f16"]}, "the dtypes are"),
    ({"name": "f", "inline": True, "c": "f"}, "what is inlined is no pass"),
    ({"name": "f", "loop": False}, "nothing would compute it"),
    ({"name": "F"}, "small letters"), ({"name": "f", "uses": 1}, "unknown field"),
])
def test_what_a_primitive_may_not_say(codegen, fields, words):
    with pytest.raises(codegen.TableError, match=rf"primitive {fields['name']}: .*{words}"):
        codegen.Primitive(fields)


def test_a_primitive_without_a_rule_has_no_place_in_a_gradient(codegen):
    table = table_with(codegen, backward={"x": "gy * lambertw(x)"})
    table.primitives["lambertw"] = codegen.Primitive({"name": "lambertw", "c": "lambert_w"})
    with pytest.raises(codegen.TableError, match=r"half: backward\.x: lambertw is no operation"):
        codegen.cython_source(table)
    assert "DZ_DEFINE_EACH(lambertw, lambert_w, double, f64)" in codegen.c_source(table)


def test_a_primitive_of_two_arguments_is_an_entry_and_a_c_function(codegen):
    """`c` gives the pass for both dtypes; without, NumPy's inner loop is taken by its name."""
    table = table_with(codegen, name="beta", args=["x0", "x1"], forward="beta(x0, x1)", backward={}, numpy="x0 + x1",
                       domain=[[1, 2], [1, 2]])
    for fields, call in (({"name": "beta", "args": 2, "c": "dz_beta"}, "dz_beta_f64(a->n, "),
                         ({"name": "beta", "args": 2}, "dz_np2_f64(DZ_FN_BETA, 1, a->n, ")):
        table.primitives["beta"] = codegen.Primitive(fields)
        assert call in codegen.c_source(table)
        assert ("DZ_DEFINE_EACH2(beta, dz_beta, float, f32)" in codegen.c_source(table)) == ("c" in fields)
        assert ("    DZ_FN_BETA," in codegen.c_loops(table)) == ("c" not in fields)


def test_a_missing_field_is_named(codegen):
    fields = entry()
    del fields["numpy"]
    with pytest.raises(codegen.TableError, match=r"half.*numpy"):
        codegen.Op(fields)


def test_a_name_twice(codegen, tmp_path):
    text = (SOURCE / "ops.toml").read_text(encoding="utf-8")
    first = text.split("[[op]]")[1]
    (tmp_path / "ops.toml").write_text(text + "\n[[op]]" + first, encoding="utf-8")
    with pytest.raises(codegen.TableError, match=r"add: defined twice"):
        codegen.load(tmp_path / "ops.toml")


def test_parameters_first_and_a_choice_of_operations(codegen):
    table = table_with(codegen, params=["c"], examples=["2"], params_first=True, forward="c * x",
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
