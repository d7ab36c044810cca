"""The build backend (PEP 517) of `pip install ./python`: zips the package, and with it libturboquant_c where
TURBOQUANT_LIBRARY names it or build/release has it. Without one the package looks for it when it is imported."""
import base64
import hashlib
import os
import pathlib
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = "libturboquant_c.so"


def _project():
    """[project] of pyproject.toml: the few keys that become metadata (tomllib is not in every Python we support)."""
    values = {}
    for line in (HERE / "pyproject.toml").read_text().split("[project]", 1)[1].split("\n\n", 1)[0].splitlines():
        key, separator, value = line.partition(" = ")
        if separator and value.startswith('"'):
            values[key] = value.strip('"')
    return values


def _library():
    given = os.environ.get("TURBOQUANT_LIBRARY")
    path = pathlib.Path(given) if given else HERE.parent / "build/release" / LIBRARY
    return path if path.is_file() else None


def _metadata(project):
    return (f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            f"Summary: {project['description']}\nRequires-Python: {project['requires-python']}\n"
            "Requires-Dist: numpy\n")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project, library = _project(), _library()
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_") if library else "any"
    tag = f"py3-none-{platform}"
    name = f"{project['name']}-{project['version']}"
    info = f"{name}.dist-info"
    files = {f"turboquant/{f.name}": f.read_bytes() for f in sorted((HERE / "turboquant").iterdir())
             if f.suffix == ".py" or f.name == "py.typed"}
    if library:
        files[f"turboquant/{LIBRARY}"] = library.read_bytes()
    files[f"{info}/METADATA"] = _metadata(project).encode()
    files[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: turboquant\nRoot-Is-Purelib: {str(not library).lower()}\n"
                              f"Tag: {tag}\n").encode()
    record = f"{info}/RECORD"
    lines = []
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / f"{name}-{tag}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(data)}\n")
        wheel.writestr(record, "".join(lines) + f"{record},,\n")
    return f"{name}-{tag}.whl"
