"""The examples do what they say: the same continuation in three languages, that of the program; and the package installs
without a network, finds its library and runs them."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
MODEL = os.environ["TQ_MODEL"]
PROMPT = "Once upon a time"


def output(*command, **options):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def expected():
    run = output(os.environ["TQ_BINARY"], "run", "-m", MODEL, "--raw", "-p", PROMPT, "-n", 16, "--temp", 0, "-c", 2048, "-ctk",
                 "q8_0", "-ctv", "turbo4", "--json")
    return json.loads(run)["text"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as pip installs it: no index, the library inside."""
    folder = tmp_path_factory.mktemp("python")
    environment = {**os.environ, "TURBOQUANT_LIBRARY": os.environ["TQ_LIBRARY"]}
    output(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--disable-pip-version-check", "-q",
           "--target", folder, SOURCE / "python", env=environment)
    environment.pop("TURBOQUANT_LIBRARY")
    return {**environment, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}, folder


@pytest.mark.parametrize("program", ["TQ_EXAMPLE_CPP", "TQ_EXAMPLE_C"])
def test_completion(program, expected):
    if not os.environ.get(program):
        pytest.skip(f"{program} is not set")
    assert output(os.environ[program], MODEL, PROMPT, 16) == expected + "\n"
    failed = subprocess.run([os.environ[program], "/no/such/model", PROMPT], capture_output=True, text=True)
    assert failed.returncode == 1 and "error: " in failed.stderr and "/no/such/model" in failed.stderr


def test_python_completion(installed, expected):
    environment, folder = installed
    assert output(sys.executable, SOURCE / "examples/completion.py", MODEL, PROMPT, 16, env=environment) == expected + "\n"
    where = output(sys.executable, "-c", "import turboquant; print(turboquant.library_path())", env=environment)
    assert pathlib.Path(where.strip()).parent == folder / "turboquant"


def test_python_codec(installed):
    """Its table shows the distortion of Lloyd-Max quantisers of a Gaussian: .1175, .03454, .009497."""
    lines = output(sys.executable, SOURCE / "examples/codec.py", env=installed[0]).splitlines()[1:]
    table = {words[0]: (int(words[1]), float(words[2]), float(words[3])) for words in map(str.split, lines)}
    # Norms that make products unbiased: |x - x'|^2 = |x|^2 (1 / (1 - D) - 1). Rotated rows of 128 lie on a sphere and have
    # lighter tails than a Gaussian (kurtosis 3 * 128 / 130), so a few per cent less.
    for name, n_bytes, d in [("turbo2", 34, 0.1175), ("turbo3", 50, 0.03454), ("turbo4", 66, 0.009497)]:
        assert table[name][0] == n_bytes
        assert table[name][1] == pytest.approx(d / (1 - d), rel=0.05)
        # An error of variance d / (1 - d) a coordinate, of which q takes |q| times the root.
        assert table[name][2] == pytest.approx((d / (1 - d)) ** 0.5, rel=0.1)


def test_a_missing_library_is_said(installed):
    run = subprocess.run([sys.executable, "-c", "import turboquant"], capture_output=True, text=True,
                         env={**installed[0], "TURBOQUANT_LIBRARY": "/no/such/library.so"})
    assert run.returncode == 1 and "ImportError" in run.stderr and "/no/such/library.so" in run.stderr


@pytest.mark.parametrize("file", ["completion.py", "codec.py", "completion.c", "completion.cc"])
def test_the_documentation_shows_the_examples(file):
    region = re.search(r"^[^\n]*\[(completion|codec)\][^\n]*\n(.*?)\n[^\n]*\[\1\]", (SOURCE / "examples" / file).read_text(),
                       re.DOTALL | re.MULTILINE)[2].strip()
    assert f"\n{region}\n```" in (SOURCE / "docs/api.md").read_text()


@pytest.mark.skipif(not os.environ.get("TQ_BUILD_DIR"), reason="TQ_BUILD_DIR is not set")
def test_installed_files_serve_other_projects(tmp_path, expected):
    prefix = tmp_path / "prefix"
    output("cmake", "--install", os.environ["TQ_BUILD_DIR"], "--prefix", prefix)
    output("cmake", "-S", SOURCE / "examples", "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    output("cmake", "--build", tmp_path / "build", "--parallel", 2)
    for name in ("example_completion_c", "example_completion_cpp"):
        assert output(tmp_path / "build" / name, MODEL, PROMPT, 16) == expected + "\n"
    package, = prefix.rglob("turboquant.pc")
    flags = output("pkg-config", "--cflags", "--libs", "turboquant", env={**os.environ, "PKG_CONFIG_PATH": str(package.parent)})
    library, = prefix.rglob("libturboquant_c.so")
    output("cc", SOURCE / "examples/completion.c", "-o", tmp_path / "c", *flags.split(), f"-Wl,-rpath,{library.parent}")
    assert output(tmp_path / "c", MODEL, PROMPT, 16) == expected + "\n"
