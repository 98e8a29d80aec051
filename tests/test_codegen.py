"""The code generator: what the table may say, what each formula becomes, and the errors for what it may not say.

Runs on a source checkout; the generator is no part of the installed package.
"""

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from optable import TABLE

from dezero_c import _ops

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
              "numpy": "0.5 * x", "domain": [[-1.0, 1.0]], "math": "x / 2", "section": "Arithmetic",
              "doc": "Half."}
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


def test_the_package_was_made_of_this_table():
    """The tests read the table here (optable.py), not in the package, which has no use for domains and tolerances."""
    assert [name for op in TABLE for name in (op["class"], op["name"])] == _ops.__all__


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
        ({"name": "sum"}, ["sum: name: 'sum' is there in src/functions.toml"]),
        ({"name": "total", "class": "Sum"}, ["total: name: 'Sum' is there in src/functions.toml"]),
        ({"name": "total", "class": "Tanh"}, ["total: class: 'Tanh' is that of tanh too"]),
        ({"name": "exception"}, ["exception: class: 'Exception' is Python's"]),
        ({"name": "class"}, ["class: name: it becomes a function"]),
        ({"name": "double"}, ["double: name: it becomes a function"]),
        ({"name": "Half"}, ["Half: name: it becomes a function"]),
        ({"select": {"how": {"one": "twice"}}}, ["half: select: one = 'twice' is no operation of 1 argument"]),
        ({"domain": [[1.0, 1.0]]}, ["half: domain [1.0, 1.0]"]),
        ({"special": [[1.0], [2.0]]}, ["half: special: a list of points for each of the 1"]),
        ({"ulp": -1}, ["half: ulp = -1 is no bound"]),
        ({"section": "Halves"}, ["half: section = 'Halves'", "src/functions.toml has no section of that title", "'Arithmetic'"]),
        ({"after": "quarter"}, ["half: after = 'quarter': no function of that name", "'add'"]),
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


@pytest.mark.parametrize("name", ["numpy", "section"])
def test_a_missing_field_is_named(codegen, name):
    fields = entry()
    del fields[name]
    with pytest.raises(codegen.TableError, match=rf"half: field \['{name}'\] is missing"):
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


# ---- functions.toml ------------------------------------------------------------------------------------------------------

FAMILY = '''"""A family."""

from collections import namedtuple


cdef class Base(ArrayFunction):
    """The base."""

    cdef readonly object axis
    cdef readonly bint keepdims

    def __init__(self, axis=0, keepdims=False):
        self.axis = axis


cdef class Half(Base):
    """Half(axis=0, keepdims=False)\\n--\\n
    The class behind `half`."""

    cdef readonly object place      # where it lies

    @property
    def where(self):
        """Where."""
        return 1


cdef class Rest(ArrayFunction):
    """The rest."""


cdef class Undocumented(ArrayFunction):
    pass


Parts = namedtuple("Parts", ("whole", "rest"), module=__name__)


def half(x, tuple axes=(0, 1), *, how="up"):
    """Half of x.

    A second paragraph with a \\\\ in it.
    """
    return x


def parts(x, n=2e-5):       # of a number
    """Both."""


def silent(x):
    return x


other = half    # another name

include "generated/_halves.pxi"
'''
HALF = {"call": 'half(x: Operand, axes: tuple[int, ...] = (0, 1), *, how: str = "up")',
        "classes": ["Half(axis: int = 0, keepdims: bool = False)"]}


def functions_with(codegen, *entries, families=(), **fields):
    """The table that has HALF with other fields (None: without), and further entries."""
    half = {key: value for key, value in {**HALF, **fields}.items() if value is not None}
    texts = {"_halves": FAMILY, **dict(families)}
    found = {name: codegen.sources.Family(name, text) for name, text in texts.items()}
    table = {"section": [{"title": "Arithmetic", "function": [half, *entries]}]}
    return codegen.functions.check(table, codegen.functions.Sources(found))


def made_of(codegen, *entries, **fields):
    functions = functions_with(codegen, *entries, **fields)
    return codegen.families.outputs(functions, {})


def test_what_follows_from_a_declaration(codegen):
    made = made_of(codegen, {"call": "other(x: Operand, axes: tuple[int, ...] = (0, 1), *, how: str = 'up')"},
                   {"call": "parts(x: Operand, n: float = 0.00002) -> Parts", "classes": ["Rest()"], "after": "half",
                    "numpy": ["np.expand_dims(a, axis)", "np.sum(a, dtype=None)", "np.trace"]},
                   fields={"Half.where": "NDArray[Any]"})
    lines = made["src/dezero_c/generated/_halves.pxi"]
    assert '__all__ = [\n    "Half", "Rest", "half", "other", "parts",\n]' in lines
    assert "for _each in (Base, Half, Rest, Undocumented):" in lines
    stub = made["dezero_c/_halves.pyi"]
    ast.parse(stub)
    assert """from typing import Any, NamedTuple

from numpy.typing import NDArray

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class Half(ArrayFunction):
    \"""The class behind `half`.\"""
    axis: int
    keepdims: bool
    place: Any
    def __init__(self, axis: int = 0, keepdims: bool = False) -> None: ...
    @property
    def where(self) -> NDArray[Any]:
        \"""Where.\"""

class Rest(ArrayFunction):
    \"""The rest.\"""

class Parts(NamedTuple):
    \"""Parts(whole, rest)\"""
    whole: Variable
    rest: Variable

def half(x: Operand, axes: tuple[int, ...] = (0, 1), *, how: str = "up") -> Variable:
    r\"""Half of x.

    A second paragraph with a \\ in it.
    \"""
""" in stub
    assert "def parts(x: Operand, n: float = 0.00002) -> Parts:" in stub
    numpy = made["dezero_c/_numpy_functions.py"]
    ast.parse(numpy)
    assert "    np.expand_dims: lambda a, axis: F.parts(a, axis),\n" in numpy
    assert "    np.sum: lambda a, dtype=None: F.parts(typed(a, dtype)),\n" in numpy
    assert "    np.trace: adapters.trace,\n" in numpy
    names = [line.rpartition(" ")[2] for line in made["docs/api/functions.md"].split("\n") if "autofunction" in line]
    assert names == ["half", "parts", "other"]


def test_a_base_that_is_public_is_the_base_in_the_stub(codegen):
    stub = made_of(codegen, classes=["Base(axis: int = 0, keepdims: bool = False)", *HALF["classes"]])["dezero_c/_halves.pyi"]
    assert "class Half(Base):" in stub
    assert stub.count("axis: int\n") == stub.count("def __init__") == 1


@pytest.mark.parametrize(("fields", "words"), [
    ({"colour": "red"}, ["half: unknown field ['colour']; known are"]),
    ({"call": None}, ["section 'Arithmetic': a function has no field 'call'"]),
    ({"call": 3}, ["3: call = 3 is no text"]),
    ({"classes": "Half()"}, ["half: classes = 'Half()' is no list of texts"]),
    ({"numpy": [1]}, ["half: numpy = [1] is no list of texts"]),
    ({"fields": {"Half.where": 1}}, ["half: fields = {'Half.where': 1} is no table of texts"]),
    ({"call": "quarter(x: Operand)"}, ["quarter: call: there is no function 'quarter' in src/dezero_c/_*.pyx; define it there"]),
    ({"call": "half(x: Operand"}, ["half: call = 'half(x: Operand' is no call with types; write it as in a stub"]),
    ({"call": "half(x: Operand)"},
     ["half: call: (x) here, and (x, axes=(0, 1), *, how='up') in src/dezero_c/_halves.pyx; make them"]),
    ({"call": HALF["call"].replace('"up"', '"down"')}, ["half: call: ", "how='down'", "how='up'"]),
    ({"call": HALF["call"].replace("*, ", "")}, ["half: call: ", "make them the same"]),
    ({"call": HALF["call"].replace("x: Operand", "x")},
     ["half: call: 'x' of half has no type; write x: and one of", "'Operand'"]),
    ({"call": HALF["call"].replace("x: Operand", "x: Operandd")},
     ["half: call: there is no type ['Operandd']; known are", "_typing.py"]),
    ({"call": HALF["call"] + " -> Pieces"}, ["half: call: there is no type ['Pieces']"]),
    ({"call": "silent(x: Operand)", "classes": None}, ["silent: call: silent has no docstring in src/dezero_c/_halves.pyx"]),
    ({"classes": ["Quarter()"]},
     ["half: classes: there is no class 'Quarter' in src/dezero_c/_halves.pyx; define it there, or mend"]),
    ({"classes": ["Half()"]},
     ["half: classes: Half() here, and (axis=0, keepdims=False) in src/dezero_c/_halves.pyx; make them"]),
    ({"classes": ["Rest(n: int)"]}, ["half: classes: Rest(n) here, and () in"]),
    ({"classes": ["Half"]}, ["half: classes = 'Half' is no call with types"]),
    ({"classes": ["Undocumented()"]}, ["half: classes: Undocumented has no docstring"]),
    ({"classes": HALF["classes"] * 2}, ["half: classes: Half is there twice"]),
    ({"fields": {"Rest.x": "int"}}, ["half: fields: 'Rest.x' is in none of the classes ['Half']; write Class.attribute"]),
    ({"fields": {"Half.color": "int"}}, ["half: fields: Half has no public attribute 'color' in src/dezero_c/_halves.pyx"]),
    ({"fields": {"Half.axis": "int |"}}, ["half: fields: Half.axis = 'int |' is no type"]),
    ({"fields": {"Half.axis": "Axes"}}, ["half: fields: there is no type ['Axes']"]),
    ({"numpy": ["diff(a)"]},
     ["half: numpy: 'diff(a)' is no function of NumPy's; write it with its parameters, such as np.diff("]),
    ({"numpy": ["np.diff(a, =1)"]}, ["half: numpy: 'np.diff(a, =1)' is no call with parameters and defaults"]),
    ({"numpy": ["np.diff"]},
     ["half: numpy: np.diff has no parameters here and no adapter; write them after the name, or define diff in"]),
    ({"numpy": ["np.differ(a)"]}, ["half: numpy: NumPy has no np.differ; mend the name"]),
    ({"numpy": ["np.linalg.differ(a)"]}, ["half: numpy: NumPy has no np.linalg.differ"]),
    ({"numpy": ["np.diff(a, times=1)"]}, ["half: numpy: np.diff has no parameter ['times']; it has ['a', 'n', 'axis'"]),
    ({"numpy": ["np.diff(a, n=1, axis=-1)"]}, ["half: numpy: np.diff: 3 parameters for half(x, axes=(0, 1), *, how='up')"]),
    ({"numpy": ["np.diff(a, *n)"]},
     ["half: numpy: np.diff: * and ** are more than can be handed on; name it alone, and define diff"]),
    ({"numpy": ["np.ptp(a)"]}, ["half: numpy: np.ptp is in a table of dezero_c/_numpy_adapters.py too; keep one"]),
    ({"numpy": ["np.around(a)"]}, ["half: numpy: np.around is in a table"]),
    ({"numpy": ["np.vecdot(a)"]}, ["half: numpy: np.vecdot is in a table"]),
    ({"numpy": ["np.flip(m)", "np.flip(m)"]}, ["half: numpy: np.flip is there twice"]),
    ({"after": "third"}, ["half: after = 'third': no function of that name has its place in the section; there are []"]),
])
def test_what_a_declaration_may_not_say(codegen, fields, words):
    """Each error names the entry, the field and what to do."""
    with pytest.raises(codegen.TableError) as info:
        made_of(codegen, **fields)
    for word in words:
        assert word in str(info.value)


def test_a_function_twice(codegen):
    with pytest.raises(codegen.TableError, match=r"half: defined twice; keep one of the two entries"):
        functions_with(codegen, {"call": HALF["call"]})
    with pytest.raises(codegen.TableError, match=r"other: classes: Half is there twice, here and in half; keep one"):
        functions_with(codegen, {**HALF, "call": HALF["call"].replace("half", "other")})
    with pytest.raises(codegen.TableError, match=r"half: call: .*in each of src/dezero_c/_halves\.pyx, .*/_more\.pyx; rename"):
        functions_with(codegen, families={"_more": "def half(x):\n    return x\n"})


@pytest.mark.parametrize(("table", "words"), [
    ({"section": {"function": [HALF]}}, "a function stands before the first .*no place on the reference's page; move it"),
    ({"function": [HALF]}, r"unknown \['function'\] at the top; known are 'text' and \[\[section\]\]"),
    ({"section": [{"function": [HALF]}]}, "a section has no field 'title'"),
    ({"section": [{"title": "A", "page": 1}]}, r"section 'A': unknown field \['page'\]; known are"),
    ({"section": [{"title": "A"}, {"title": "A"}]}, "section 'A': defined twice; put its functions into one"),
])
def test_what_sections_may_not_say(codegen, table, words):
    with pytest.raises(codegen.TableError, match=words):
        codegen.functions.check(table, codegen.functions.Sources())


def test_a_family_ends_with_what_is_made_of_the_table(codegen):
    text = FAMILY.partition("include")[0]
    with pytest.raises(codegen.TableError, match=r'half: call: src/dezero_c/_halves.pyx lacks .*include "generated/_halves.pxi"'):
        functions_with(codegen, families={"_halves": text})
    with pytest.raises(codegen.TableError, match=r"src/dezero_c/_more.pyx: include .*has no function of the family; add one"):
        functions_with(codegen, families={"_more": 'include "generated/_more.pxi"\n'})


def test_the_tables_do_not_share_a_name(codegen):
    """An operation and a family's function: whoever comes second is told."""
    functions, table = codegen.functions.load(), codegen.load()
    names = {*functions, *(c.name for f in functions.values() for c in f.classes)}
    assert names == codegen.of_families()
    assert not names & {name for op in table.values() for name in (op.name, op.cls)}


def test_what_is_there_is_what_the_tables_say(codegen):
    """Else: python src/codegen, or a build"""
    if not (SOURCE / "dezero_c" / "_ops.pyx").exists():
        pytest.skip("the checkout has not been built")
    assert codegen.generate(check=True) == []
