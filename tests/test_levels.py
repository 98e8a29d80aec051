"""SIMD levels: what the table of them may say, what is made of it, and that every family has the same bits at each."""

import sys
from pathlib import Path

import numpy as np
import pytest

import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Parameter, Variable, optimizers
from dezero_c._core import build_info, select_simd

SOURCE = Path(__file__).resolve().parents[1] / "src"
LEVELS = build_info()["simd_available"]
needs_two = pytest.mark.skipif(len(LEVELS) < 2, reason="one level alone on this processor")


@pytest.fixture
def levels(monkeypatch):
    monkeypatch.syspath_prepend(str(SOURCE))
    from codegen import levels as module
    yield module
    for name in [n for n in sys.modules if n.partition(".")[0] == "codegen"]:
        del sys.modules[name]


def entry(**changes):
    return {"name": "wide", "target": "avx2,fma", "width": 256, "chosen": True, "leaf1": ["bit_FMA"], "leaf7": ["bit_AVX2"],
            "state": 6, **changes}


def test_each_level_is_made_whole_from_its_entry(levels):
    made = levels.outputs([entry(), entry(name="wider", target="avx512f", width=512, state=230)])
    assert [Path(path).name for path in made] == ["simd.h", "each_level.h", "ops_base.c", "ops_wide.c",
                                                  "ops_wider.c"]
    header, each, base, wide, wider = made.values()
    assert "X(wide, bit_FMA, bit_AVX2, 0x6, 1)" in header
    assert "X(wider, bit_FMA, bit_AVX2, 0xe6, 1)" in header
    assert header.index("level == 1 ? f##_wide") < header.index("level == 2 ? f##_wider") < header.index("f##_base)")
    assert each.count("#include DZ_EACH") == 3
    assert each.count("push_options") == each.count("pop_options") == 3      # base's own, where there are others
    assert "target" not in base
    assert 'target("avx2,fma,prefer-vector-width=256")' in wide
    assert [text.count("#define DZ_FUSED 1") for text in (base, wide, wider)] == [0, 1, 1]
    assert 'target("avx512f,prefer-vector-width=512")' in wider


@pytest.mark.parametrize(("changes", "message"), [
    ({"name": "AVX2"}, "AVX2: a name of lower-case"), ({"name": "base"}, "base: a name"),
    ({"width": "256"}, "wide: width = '256' is no int"), ({"colour": 1}, "wide: the fields are"),
])
def test_a_wrong_entry_is_named(levels, tmp_path, changes, message):
    path = tmp_path / "simd.toml"
    fields = {k: str(v).lower() if isinstance(v, bool) else repr(v) for k, v in entry(**changes).items()}
    path.write_text("[[level]]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items()))
    with pytest.raises(levels.LevelError, match=message):
        levels.load(path)


def numbers(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def conv(x):
    w = Variable(numbers((5, x.shape[1], 3, 3), x.dtype, 1))
    return F.conv2d(x, w, pad=1), w


def norm(x):
    gamma, beta = (Variable(numbers(x.shape[1], x.dtype, k)) for k in (1, 2))
    return F.batch_norm(x, gamma, beta, np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype)), gamma, beta


def layer_norm(x):
    gamma, beta = (Variable(numbers(x.shape[-1], x.dtype, k)) for k in (1, 2))
    return F.layer_norm(x, gamma, beta), gamma, beta


def recurrent(x, kind):
    layer = kind(4, in_size=x.shape[1])
    layer(x)
    for k, p in enumerate(layer.params()):
        p.data = numbers(p.shape, x.dtype, k)
    layer.reset_state()
    layer(x)
    return layer(x), *layer.params()


SMALL, WIDE, IMAGES = (7, 33), (3, 2049), (2, 3, 9, 11)
FAMILIES = {
    "softmax rows": (WIDE, lambda x: (F.softmax(x, axis=1),)),
    "softmax columns": (WIDE, lambda x: (F.softmax(x, axis=0),)),
    "log_softmax": (SMALL, lambda x: (F.log_softmax(x, axis=1),)),
    "logsumexp": (WIDE, lambda x: (F.logsumexp(x, axis=1),)),
    "cross entropy": (SMALL, lambda x: (F.softmax_cross_entropy(x, np.arange(7)),)),
    "mean_squared_error": (WIDE, lambda x: (F.mean_squared_error(x, numbers(WIDE, x.dtype, 3)),)),
    "sum": (WIDE, lambda x: (F.sum(x * x, axis=0), F.sum(x * x, axis=1), F.sum(x * x))),
    "max": (WIDE, lambda x: (F.max(x, axis=1), F.min(x, axis=0))),
    "var": (SMALL, lambda x: (F.var(x, axis=1), F.std(x))),
    "batch_norm": (SMALL, norm),
    "layer_norm": (SMALL, layer_norm),
    "conv2d": (IMAGES, conv),
    "pooling": (IMAGES, lambda x: (F.pooling(x, 2), F.average_pooling(x, 3))),
    "products": (SMALL, lambda x: (F.matmul(x, x.T), F.linear(x, numbers((33, 4), x.dtype, 1), numbers(4, x.dtype, 2)))),
    "LSTM": ((6, 5), lambda x: recurrent(x, L.LSTM)),
    "RNN": ((6, 5), lambda x: recurrent(x, L.RNN)),
    "index": (WIDE, lambda x: (x[:, ::3], x[np.array([0, 2, 2])], F.concatenate([x, x], axis=1))),
    "norm": (SMALL, lambda x: (F.norm(x), F.cumsum(x, axis=1))),
}


# What elementary functions and small products have a part in: base, which has no fused multiply-adds, has other last bits there.
ELEMENTARY = ("products", "softmax rows", "softmax columns", "log_softmax", "logsumexp", "cross entropy", "LSTM", "RNN")


@needs_two
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_the_same_bits_at_every_level(name, dtype):
    shape, function = FAMILIES[name]
    before, seen = build_info()["simd"], {}
    try:
        for level in LEVELS:
            select_simd(level)
            x = Variable(numbers(shape, dtype))
            results = function(x)
            total = sum(F.sum(y * y) for y in results if y.creator is not None)
            total.backward(create_graph=True)
            first = [x.grad, *[v.grad for v in results if v.creator is None]]
            x.cleargrad()
            F.sum(first[0] * first[0]).backward()
            seen[level] = [np.array(a.data) for a in (*results, *first, x.grad)]
    finally:
        select_simd(before)
    for level in LEVELS:
        for a, b in zip(seen[level], seen[LEVELS[-1]], strict=True):
            if level == "base" and name in ELEMENTARY:
                near = 1000 * np.finfo(dtype).eps
                np.testing.assert_allclose(a, b, rtol=near, atol=near * np.abs(b).max())
            else:
                assert a.tobytes() == b.tobytes(), level


@needs_two
@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.MomentumSGD, optimizers.AdaGrad, optimizers.AdaDelta,
                                  optimizers.Adam])
def test_updates_have_the_same_bits_at_every_level(make):
    before, seen = build_info()["simd"], {}
    try:
        for level in LEVELS:
            select_simd(level)
            p = Parameter(numbers(1003, np.float32))
            holder = type("Holder", (), {"params": lambda self, p=p: iter([p])})()
            optimizer = make().setup(holder)
            for step in range(3):
                p.grad = Variable(numbers(1003, np.float32, step))
                optimizer.update()
            seen[level] = p.data.tobytes()
    finally:
        select_simd(before)
    assert len(set(seen.values())) == 1


@needs_two
def test_a_level_that_is_not_there_is_an_error_and_changes_nothing():
    before = build_info()["simd"]
    with pytest.raises(ValueError, match="'avx1024' is not one of"):
        select_simd("avx1024")
    assert build_info()["simd"] == before
