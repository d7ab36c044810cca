#!/usr/bin/env python3
"""Collects the chat templates that models ship out of PyPI packages, for test_chat_template_oracle.py:

  fetch_templates.py FOLDER     writes FOLDER/<package>/<name>.jinja, and FOLDER/.done last

They are the models' texts under the models' licences, so they are fetched and not kept in the repository.
"""
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# Package, whether it comes as a wheel or as sources, and where its templates lie.
PACKAGES = [("llama-cpp-python==0.3.36", "sources", "/models/templates/"), ("trl==1.16.0", "wheel", "/chat_templates/"),
            ("axolotl==0.19.0", "wheel", "/chat_templates/templates/")]


def members(archive):
    """(name, contents) of the archive's *.jinja files."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(".jinja"):
                    yield name, wheel.read(name)
    else:
        with tarfile.open(archive) as sources:
            for member in sources:
                if member.isfile() and member.name.endswith(".jinja"):
                    yield member.name, sources.extractfile(member).read()


def main():
    target = pathlib.Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    for requirement, kind, place in PACKAGES:
        folder = target / requirement.split("=")[0]
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as downloads:
            option = "--only-binary" if kind == "wheel" else "--no-binary"
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", option,
                            ":all:", "--dest", downloads, requirement], check=True)
            archive, = pathlib.Path(downloads).iterdir()
            seen = set()
            for name, data in members(archive):
                if place in name and data not in seen:
                    seen.add(data)
                    (folder / pathlib.Path(name).name).write_bytes(data)
        print(f"      {len(seen)} chat templates of {requirement}", flush=True)
    (target / ".done").write_text("".join(requirement + "\n" for requirement, _, _ in PACKAGES))


if __name__ == "__main__":
    main()
