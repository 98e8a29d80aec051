"""tools/hot_paths.py sees Python where there is some. What it says of the engine is a step of .ci/run."""

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools/hot_paths.py"


@pytest.fixture(scope="module")
def hot_paths():
    spec = importlib.util.spec_from_file_location("hot_paths", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(number, text, *calls):
    """A line as Cython annotates it."""
    code = "".join(f"<span class='pyx_c_api'>{call}</span>(x);" for call in calls)
    return f'<pre class="cython line score-9" onclick="x">+{number}: {text}</pre>\n<pre class="cython code">{code}</pre>'


PAGE = "\n".join(
    (
        line(1, "cdef int quick(object a) except -1:", "__Pyx_PyObject_GetAttrStr"),
        line(2, "    if isinstance(a, Variable):", "__Pyx_TypeCheck"),
        line(3, "    raise ValueError(f&quot;{a} is&quot;", "__Pyx_PyObject_FastCall"),
        line(4, "                     f&quot; not {b}&quot;)", "__Pyx_PyObject_FormatSimple"),
        line(5, "cdef int slow(object a) except -1:"),
        line(6, "    if not isinstance(a, np.ndarray):", "PyObject_IsInstance", "__Pyx_GetModuleGlobalName"),
        line(7, "        return len(a)"),
        line(8, "    a.x = 1", "__Pyx_PyObject_SetAttrStr"),
        line(9, "table = {}", "__Pyx_PyDict_SetItem"),
    )
)


def test_calls_are_counted_by_function_and_errors_are_not(hot_paths):
    found = hot_paths.counted(PAGE)
    assert found["quick"] == []
    assert [each.partition(" ")[0] for each in found["slow"]] == ["if", "a.x"]
    assert "GetModuleGlobalName" in found["slow"][0]


def test_more_lines_than_allowed_fail(hot_paths, monkeypatch, capsys):
    monkeypatch.setattr(hot_paths, "annotate", lambda folder: Path(folder, "_room.html").write_text(PAGE, encoding="utf-8"))
    monkeypatch.setattr(hot_paths, "HOT", {"_room": {"quick": 0, "slow": 1}})
    assert hot_paths.main() == 1
    assert "slow has 2 lines" in capsys.readouterr().out
    monkeypatch.setattr(hot_paths, "HOT", {"_room": {"quick": 0, "slow": 2}})
    assert hot_paths.main() == 0
    monkeypatch.setattr(hot_paths, "HOT", {"_room": {"gone": 0}})
    assert hot_paths.main() == 1
    assert "no function gone" in capsys.readouterr().out
