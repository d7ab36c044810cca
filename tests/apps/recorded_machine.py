"""Machines of tests/plan/machines as folders, for --machine."""
from schemas import ROOT


def unpack(name, folder):
    """Writes the files of a recorded machine below `folder`, which it returns."""
    target, text = None, []

    def finish():
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(text))

    for line in (ROOT / "tests" / "plan" / "machines" / f"{name}.txt").read_text().splitlines(keepends=True):
        if not line.startswith("==> "):
            text.append(line)
            continue
        finish()
        path, _, link = line[4:].rstrip("\n").partition(" -> ")
        target, text = folder / path.lstrip("/"), []
        if link:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(link)
            target = None
    finish()
    return folder
