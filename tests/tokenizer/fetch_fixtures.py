#!/usr/bin/env python3
"""Collects out of PyPI packages what models ship and our tests compare with:

  fetch_fixtures.py FOLDER     writes FOLDER/chat_templates/<package>/<name>.jinja, FOLDER/vocabularies/<name>.gguf (files
                               of a vocabulary alone, made by llama.cpp's authors), and FOLDER/fixtures.done last

They are the models' texts under the models' licences, so they are fetched and not kept in the repository.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# Package, whether it comes as a wheel or as sources, and where its templates lie.
PACKAGES = [("llama-cpp-python==0.3.36", "sources", "/models/templates/"), ("trl==1.16.0", "wheel", "/chat_templates/"),
            ("axolotl==0.19.0", "wheel", "/chat_templates/templates/")]


# The vocabularies come with llama.cpp's sources.
VOCABULARY = re.compile(r"/models/ggml-vocab-([a-z0-9-]+)\.gguf$")


def members(archive):
    """(name, contents) of the archive's templates and vocabularies."""
    def wanted(name):
        return name.endswith(".jinja") or VOCABULARY.search(name)

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in filter(wanted, wheel.namelist()):
                yield name, wheel.read(name)
    else:
        with tarfile.open(archive) as sources:
            for member in sources:
                if member.isfile() and wanted(member.name):
                    yield member.name, sources.extractfile(member).read()


def main():
    target = pathlib.Path(sys.argv[1])
    for name in ("chat_templates", "vocabularies"):
        shutil.rmtree(target / name, ignore_errors=True)
    vocabularies = target / "vocabularies"
    vocabularies.mkdir(parents=True)
    for requirement, kind, place in PACKAGES:
        folder = target / "chat_templates" / requirement.split("=")[0]
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as downloads:
            option = "--only-binary" if kind == "wheel" else "--no-binary"
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", option,
                            ":all:", "--dest", downloads, requirement], check=True)
            archive, = pathlib.Path(downloads).iterdir()
            seen = set()
            for name, data in members(archive):
                vocabulary = VOCABULARY.search(name)
                if vocabulary:
                    (vocabularies / f"{vocabulary[1]}.gguf").write_bytes(data)
                elif place in name and data not in seen:
                    seen.add(data)
                    (folder / pathlib.Path(name).name).write_bytes(data)
        print(f"      {len(seen)} chat templates of {requirement}", flush=True)
    print(f"      {len(list(vocabularies.iterdir()))} vocabularies")
    (target / "fixtures.done").write_text("".join(requirement + "\n" for requirement, _, _ in PACKAGES))


if __name__ == "__main__":
    main()
