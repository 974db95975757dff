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

TAIL = """\
## What was run

`make test` plays each class with one face and a sample of the rest; `make soak` plays all. On 27 November 2026:

- every class, in every way written here, by every face: 159 plays.
- 1,244 strikes in two passes over the points at which the command line writes, flushes, names or removes a file during
  a small download, library included: killed there (393), or refused from there on for want of space (341) or by
  an input/output error (341); the other 169 did no harm. After each: the right file, no lost job, one charge, nothing
  left behind.
- 30,000 random transfers on a real socket, cut, flipped, swapped, stalled, reset and refused: no wrong success.
- 8 processes, 100 jobs each, on one library, with file locks refused by the system: each file was fetched once, and no
  reader saw a part of one.
- 1,679,642 inputs of a coverage-guided fuzzer (atheris), and Hypothesis with 1,500 to 3,000 examples for each reader.
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
    return "\n".join([*lines, TAIL])


def _ending(variant: Variant, face: str) -> str:
    """With the exit code, where a command line ends with an error."""
    return f"{variant.ending}, exit {variant.code}" if variant.code > 0 and face == "cli" else variant.ending


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


if __name__ == "__main__":
    print(page(), end="")
