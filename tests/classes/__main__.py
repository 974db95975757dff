"""Prints docs/why/faults.md: `PYTHONPATH=tests python -m classes > docs/why/faults.md`."""

from __future__ import annotations

from collections.abc import Iterable

from forge import FACES

from classes import GROUPS, Variant, faults_of, load

HEAD = """\
# Faults, and how they end

Forty-eight classes of faults, each played on real sockets, files and processes against the sandbox, by three faces:
`await`, the blocking door and the command line. This page is written from the tests, which hold how each run ends.

- **recovered**: the same run ends with the right file.
- **clean**: the run ends with an error that says what is wrong. No file that is not right has a name, the ledger is not
  below Planet's bill, and when the fault is over, `resume` or the same command ends right.

In neither case is there a wrong file under a right name, or half a file under a final name.
"""


def page() -> str:
    """The whole page."""
    variants = load()
    lines = [HEAD]
    for group, (title, _) in GROUPS.items():
        lines += [f"## {title}", "", f"| class | what goes wrong | {' | '.join(FACES)} | what you see |"]
        lines += ["|" + "---|" * (3 + len(FACES))]
        for name in faults_of(group):
            ways = [one for one in variants if one.fault == name]
            endings = [_joined(_ending(one, face) for one in ways) for face in FACES]
            cells = [
                name,
                _joined(one.happens for one in ways),
                *endings,
                _joined(one.seen for one in ways),
            ]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _ending(variant: Variant, face: str) -> str:
    """With the exit code, where a command line ends with an error."""
    return f"{variant.ending}, exit {variant.code}" if variant.code > 0 and face == "cli" else variant.ending


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


if __name__ == "__main__":
    print(page(), end="")
