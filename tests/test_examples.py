"""The examples: each runs in its short mode, learns something, and leaves a picture that shows it.

They are programs, so that each is a process of its own; what is checked is what their reader sees. Full runs are slow
tests, but for the one that the README promises something of.
"""

import base64
import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import numpy as np
import pytest

import dezero_c

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
SVG = "{http://www.w3.org/2000/svg}"
ROW = r"(?m)^ +\d+ +([\d.]+)"   # the first column of a History, behind the epoch

# Name: the numbers in what it prints of which the last is to be smaller than the first, and by how much at least.
FALLING = {
    "spiral": (r" loss ([\d.]+)", 0.5),
    "convnet": (ROW, 0.8),
    "char_rnn": (ROW, 0.85),
    "newton": (r" f ([\d.e+-]+)  ", 1e-15),
    "vae": (r" loss ([\d.]+)", 0.9),
    "gan": (r"distance ([\d.]+)", 0.7),
}


def run(folder, script, *arguments):
    """What an example prints, started as a reader starts it, in an empty folder."""
    package = str(Path(dezero_c.__path__[0]).parent)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environ = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::RuntimeWarning", *script, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(folder, name, *arguments):
    return run(folder, [str(EXAMPLES / f"{name}.py")], *arguments)


def numbers(pattern, text):
    return [float(found) for found in re.findall(pattern, text)]


def pixels(png):
    """The pixels (H, W, 3) of a PNG file such as `_pictures.png` writes: 8 bits, three colours, no filters."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(png):
        size = int.from_bytes(png[place:place + 4])
        kind, content = png[place + 4:place + 8], png[place + 8:place + 8 + size]
        assert zlib.crc32(kind + content) == int.from_bytes(png[place + 8 + size:place + 12 + size])
        chunks[kind] = content
        place += size + 12
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    header = chunks[b"IHDR"]
    W, H = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    assert header[8:] == bytes([8, 2, 0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(H, 1 + 3 * W)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(H, W, 3)


def check_picture(path):
    """That a picture is one, of some size, and that there is something to see in it."""
    content = path.read_bytes()
    if path.suffix == ".png":
        from PIL import Image

        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        with Image.open(path) as image:
            image.load()
            assert min(image.size) >= 250
            colours = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
        assert len(colours) > 50
        return
    root = ET.fromstring(content)
    assert root.tag == f"{SVG}svg"
    assert min(float(root.get("width")), float(root.get("height"))) >= 250
    assert len(root.findall(f".//{SVG}text")) > 10
    marks = [e for tag in ("circle", "image", "path") for e in root.findall(f".//{SVG}{tag}")]
    assert len(marks) > 10
    for image in root.findall(f".//{SVG}image"):
        kind, _, data = image.get("href").partition(",")
        assert kind == "data:image/png;base64"
        assert len(np.unique(pixels(base64.b64decode(data, validate=True)))) > 3


def pictures_in(text, folder):
    found = [folder / path for path in re.findall(r"(?m)^(?:picture|curves): (.+)$", text)]
    assert found
    return found


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What the short run of an example printed, and its folder; each runs once."""
    runs = {}

    def get(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            runs[name] = example(folder, name, "--quick", "--out", "drawn"), folder
        return runs[name]

    return get


@pytest.mark.parametrize("name", FALLING)
def test_example_learns_and_draws(name, quick):
    printed, folder = quick(name)
    pattern, share = FALLING[name]
    values = numbers(pattern, printed)
    assert len(values) >= 2
    assert values[-1] < share * values[0]
    for path in pictures_in(printed, folder):
        assert path.parent == folder / "drawn"
        check_picture(path)


def test_hmc_samples_the_posterior(quick):
    """Means and deviations are those of sums over a grid, from a log posterior written by itself."""
    printed, folder = quick("hmc")
    rng = np.random.default_rng(0)      # the data of the example
    x = np.column_stack([np.ones(400), rng.standard_normal((400, 2))])
    y = rng.random(400) < 1 / (1 + np.exp(-x @ [-0.5, 1.5, -1.0]))
    axes = [np.linspace(low, low + 1.4, 29) for low in (-1.06, 0.66, -1.46)]
    w = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    z = w @ np.where(y[:, None], x, -x).T
    height = -np.logaddexp(0, -z).sum(1) - (w ** 2).sum(1) / 50
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    means = weight @ w
    deviations = np.sqrt(weight @ (w - means) ** 2)
    found = np.array(numbers(r"mean +(-?[\d.]+) ", printed))
    assert found.shape == (3,)
    assert np.all(np.abs(found - means) < 0.25 * deviations)
    assert np.allclose(numbers(r"\+- ([\d.]+)", printed), deviations, rtol=0.2)
    assert 0.6 < numbers(r"acceptance ([\d.]+)", printed)[0] < 0.95
    assert min(numbers(r"effective samples (\d+)", printed)) > 100
    for path in pictures_in(printed, folder):
        check_picture(path)


def test_cartpole_gets_better(tmp_path):
    printed = example(tmp_path, "cartpole", "--quick")
    means = numbers(r"last 20: +([\d.]+)", printed)
    assert means[-1] > 2 * means[0]
    for path in pictures_in(printed, tmp_path):
        assert path.parent == tmp_path / "pictures"
        check_picture(path)


def test_digits_reads_97_percent(tmp_path):
    """What the README promises; the full run takes some seconds."""
    printed = example(tmp_path, "digits")
    (accuracy,) = numbers(r"test accuracy ([\d.]+)%", printed)
    assert accuracy >= 97
    losses = numbers(ROW, printed)
    assert losses[-1] < 0.3 * losses[0]
    found = pictures_in(printed, tmp_path)
    assert [path.stem for path in found] == ["digits", "digits-curves"]
    for path in found:
        check_picture(path)


def test_the_same_numbers_each_time(quick, tmp_path):
    pattern, _ = FALLING["spiral"]
    assert numbers(pattern, quick("spiral")[0]) == numbers(pattern, example(tmp_path, "spiral", "--quick"))


@pytest.mark.parametrize("name", ["spiral", "digits"])
def test_a_captured_step_learns_the_same(name, quick, tmp_path):
    def told(text):
        return [line for line in text.splitlines() if " s" not in line and "pictures" not in line and "drawn" not in line]

    captured = example(tmp_path, name, "--quick", "--capture")
    assert told(captured) == told(quick(name)[0])
    assert len(told(captured)) > 3


def test_saved_weights_are_read_again(quick):
    printed, _ = quick("convnet")
    tested = numbers(r"(?m)^ +2 .* ([\d.]+)$", printed)[0]
    (again,) = numbers(r"loaded again; test accuracy ([\d.]+)%", printed)
    assert again == pytest.approx(100 * tested, abs=0.01)


def test_without_matplotlib_pictures_are_svg(tmp_path):
    without = f"""if 1:
        import runpy, sys
        sys.modules["matplotlib"] = None    # importing it raises ImportError
        sys.path[0] = {str(EXAMPLES)!r}
        sys.argv[0] = "digits.py"
        runpy.run_path({str(EXAMPLES / "digits.py")!r}, run_name="__main__")"""
    found = pictures_in(run(tmp_path, ["-c", without], "--quick"), tmp_path)
    assert [path.name for path in found] == ["digits.svg", "digits-curves.svg"]
    for path in found:
        check_picture(path)


def test_help_says_what_it_shows(tmp_path):
    printed = example(tmp_path, "gan", "--help")
    assert "adversarial" in printed
    assert "--quick" in printed
    assert not list(tmp_path.iterdir())


def test_gallery_has_a_picture_of_each():
    for name in (*FALLING, "cartpole", "digits"):
        path = ROOT / "docs" / "gallery" / f"{name}.png"
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert 5_000 < len(content) < 60_000


# ---- the pictures' own module -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("examples_pictures", EXAMPLES / "_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def picture(pictures):
    """A picture with one of everything."""
    made = pictures.Picture(height=3.0)
    panel = made.panel("a < b & c", 3.0, xlabel="epoch")
    panel.line([0, 5, 10], [2.0, 1.0, 4.0], "a line", "#ff0000", markers=True)
    panel.dots([0, 10], [3.0, 3.5], "#00aa00", label="dots")
    log = made.panel("powers", 3.0, log=True)
    log.line([1, 2, 3], [1.0, 1e-3, 1e-6])
    shown = made.panel("images", 3.0, bare=True)
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    captions = [("1", "#000000"), ("<2>", "#000000"), ("3", "#ff0000")]
    shown.tiles(np.stack([ramp, 1 - ramp, ramp.T]), columns=2, captions=captions)
    shown.text(0, 0, "x & y", mono=True, middle=False)
    return made


def test_svg_of_one_of_everything(picture):
    root = ET.fromstring(picture.svg())
    assert (root.get("width"), root.get("height")) == ("900", "300")
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b & c", "epoch", "a line", "dots", "<2>", "x & y", "1e-06", "0.01"} <= set(texts)
    assert len(list(root.iter(f"{SVG}image"))) == 3
    (line,) = (e.get("d") for e in root.iter(f"{SVG}path") if e.get("stroke") == "#ff0000")
    points = np.array([list(map(float, point.split())) for point in line[1:].split("L")])
    assert points[1, 0] == pytest.approx((points[0, 0] + points[2, 0]) / 2, abs=0.1)
    assert points[2, 1] < points[0, 1] < points[1, 1]       # y grows downwards
    assert (points >= 0).all()
    assert (points <= 300).all()


def test_png_of_one_of_everything(picture, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = picture.save(str(tmp_path), "all")
    assert capsys.readouterr().out == f"picture: {path}\n"
    check_picture(Path(path))


def test_svg_takes_matplotlibs_place(picture, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("backends", "backends.backend_agg", "figure"):
        monkeypatch.setitem(sys.modules, f"matplotlib.{name}", None)
    path = Path(picture.save(str(tmp_path), "all"))
    assert path.name == "all.svg"
    check_picture(path)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7, 3), (300, 2, 3)])
def test_png_has_the_images_pixels(pictures, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(pixels(pictures.png(image)), image)


def test_blend_goes_from_one_colour_to_the_other(pictures):
    image = pictures.blend("#000080", "#ff0000", [[-1.0, 0.0, 0.5, 1.0, 2.0]])
    assert image.tolist() == [[[0, 0, 128], [0, 0, 128], [128, 0, 64], [255, 0, 0], [255, 0, 0]]]
    assert image.dtype == np.uint8


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-3, 3, [-3, -2, -1, 0, 1, 2, 3]), (1, 280, [50, 100, 150, 200, 250]),
    (0.0031, 0.0042, [0.0032, 0.0034, 0.0036, 0.0038, 0.004, 0.0042]),
])
def test_ticks_are_round(pictures, low, high, expected):
    assert pictures.ticks(low, high) == pytest.approx(expected)


# ---- full runs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pattern", "low", "high"), [
    ("spiral", r"new points ([\d.]+)", 0.9, 1.0),
    ("convnet", r"loaded again; test accuracy ([\d.]+)%", 97.5, 100),
    ("cartpole", r"solved after (\d+) trials", 100, 900),
    ("char_rnn", r"(?m)^ +12 +([\d.]+)", 1.0, 1.7),
    ("vae", r" test ([\d.]+)", 20, 24.5),
    ("gan", r"distance ([\d.]+)", 0.05, 0.8),
])
def test_full_run(name, pattern, low, high, tmp_path):
    assert low <= numbers(pattern, example(tmp_path, name))[-1] <= high
