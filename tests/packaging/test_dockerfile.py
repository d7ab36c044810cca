"""Dockerfile without docker: what it copies is there, what it builds with is what we build with, and the image has the
libraries that the program asks for."""
import os
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(os.environ["TQ_SOURCE_DIR"])
BINARY = os.environ["TQ_BINARY"]
# Of debian:bookworm-slim.
IN_THE_IMAGE = {"libc6", "libgcc-s1", "libstdc++6"}


def instructions():
    """(name, arguments), with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def stages():
    found = []
    for name, arguments in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, arguments))
    return found


def installed_packages(stage):
    """Those that a stage names; the others come from scripts/packages.txt."""
    names = []
    for name, arguments in stage:
        for command in arguments.split("&&") if name == "RUN" else ():
            words = shlex.split(command)
            if words[:2] == ["apt-get", "install"]:
                names += [word for word in words[2:] if not word.startswith("-")]
    return names


def packages_of(kind):
    lines = (ROOT / "scripts/packages.txt").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[:1] == [kind]]


def test_what_it_copies_is_there():
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [arguments.split() for name, arguments in instructions() if name == "COPY"]
    from_here = [word for words in copied if not words[0].startswith("--from") for word in words[:-1]]
    assert "scripts/packages.txt" in from_here
    for path in from_here:
        assert (ROOT / path).exists() and path.split("/")[0] not in ignored, path
    # What the first stage leaves for the second one is what `cmake --install` makes.
    for words in copied:
        if words[0].startswith("--from"):
            relative = pathlib.PurePath(words[1]).relative_to("/install")
            assert relative.parts[0] in ("bin", "share") and relative.name.startswith("turboquant"), words
    for name in ("CMakePresets.json", "cmake", "src", "apps", "include", "packaging"):
        assert name not in ignored, name


def test_it_builds_with_our_packages():
    build = "\n".join(arguments for name, arguments in stages()[0] if name == "RUN")
    (script,) = re.findall(r"(awk .*?packages\.txt)", build)
    listed = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert listed == packages_of("run") and "cmake" in listed
    assert installed_packages(stages()[0]) == []


def test_the_image_has_the_libraries():
    packages = installed_packages(stages()[1])
    assert packages == sorted(packages)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True,
                                                               check=True).stdout)
    found = dict(re.findall(r"^\s*(\S+) => (\S+)", subprocess.run(["ldd", BINARY], capture_output=True, text=True,
                                                                 check=True).stdout, re.MULTILINE))
    owners = set()
    for library in needed:
        if library not in found:
            continue  # the loader itself
        path = pathlib.Path(found[library])
        # Packages list /usr/lib, whether or not /lib is a link to it.
        for name in (path, path.resolve(), pathlib.Path("/usr") / str(path).lstrip("/")):
            owner = subprocess.run(["dpkg", "-S", str(name)], capture_output=True, text=True)
            if owner.returncode == 0:
                owners.add(owner.stdout.split(":")[0])
                break
        else:
            pytest.skip(f"{library} is from no Debian package here")
    assert owners - IN_THE_IMAGE == set(packages)
