"""The three documents on tracking: where their snippets stand, and where they are no Python or name what is not here.

The texts have lost the indentation of their code, so most mendings only bring it back. `stray` finds lines outside the
snippets that look like code, so that none can be passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wikipage import ROOT

SEEDS = ROOT.parent / "shared" / "seeds"

IMPORTS = {
    "from asset_tracker import": "from planet_assets.compat.asset_tracker import",
    "from image_downloader import": "from planet_assets.compat.image_downloader import",
    "from mmmeta import": "from planet_assets.compat.metadir import",
    "python3 image_downloader.py": "python -m planet_assets.compat.image_downloader",
    "mmmeta generate": "planet-assets metadir generate",
    "mmmeta update": "planet-assets metadir update",
    "mmmeta --help": "planet-assets metadir --help",
}
"""The only change that is made everywhere: where things are imported from, and what a command is called."""


@dataclass(frozen=True)
class Snippet:
    """One piece of code; lines count from 1, both ends included."""

    seed: str
    first: int
    last: int
    kind: str = "python"
    mendings: dict[str, str] = field(default_factory=dict)
    """What is no code, or a placeholder -> what it means."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.seed}:{self.first}"


SERVICE = {"https://api.parentzone.me": "{url}", "your-email@example.com": "me@x.test", "your-password": "secret"}
OPTIONS = {
    "[options]": "--api-url {url} --list-endpoint /v1/media/list --download-endpoint /v1/media "
    "--output-dir ./downloaded_images"
}

ASSETS = (
    Snippet("asset_tracker", 23, 30, "sh", SERVICE),
    *(Snippet("asset_tracker", line, line, "sh", OPTIONS) for line in (33, 35, 37, 39)),
    Snippet("asset_tracker", 42, 51, mendings={"[...] # Assets from API response": "await fetch_assets_from_api()"}),
    Snippet("asset_tracker", 60, 63),
    Snippet("asset_tracker", 118, 132, mendings={"https://api.parentzone.me": "{url}"}),
    Snippet(
        "asset_tracker",
        172,
        176,
        mendings={
            '\nprint("Asset tracking is enabled")': '\n    print("on")',
            '\nprint("Asset tracking is dis': '\n    print("off',
        },
    ),
    Snippet("asset_tracker", 179, 180, "sh"),
    Snippet("asset_tracker", 182, 182, "sh"),
    Snippet("asset_tracker", 184, 184, "sh"),
    Snippet("asset_tracker", 187, 188, "sh"),
    Snippet("asset_tracker", 189, 190, "sh"),
    Snippet("asset_tracker", 192, 196),
    Snippet("asset_tracker", 197, 201, mendings={"# ... other params ...": "**other_params,"}),
    Snippet(
        "asset_tracker",
        211,
        218,
        mendings={
            "\ndef ": "\n    def ",
            "\n# Custom": "\n        # Custom",
            "\nreturn ": "\n        return ",
        },
    ),
)

METADIR = (
    Snippet("mmmeta", 29, 29, "sh"),
    Snippet("mmmeta", 37, 37, "sh"),
    Snippet(
        "mmmeta",
        43,
        48,
        mendings={
            "\nm.files.insert": "\n    m.files.insert",
            "\nm.files.upsert(**data, [keys])": "\n    m.files.upsert(data, keys)",
        },
    ),
    Snippet("mmmeta", 55, 58, mendings={"\ndownload(file": "\n    download(file"}),
    Snippet("mmmeta", 59, 65, mendings={"\n# ...": "\n    return asked.append(url)"}),
    Snippet("mmmeta", 72, 72, "sh"),
    Snippet("mmmeta", 74, 76),
    Snippet(
        "mmmeta",
        78,
        81,
        mendings={
            "<date>": "date",
            "\nprocess": "\n    process",
            '\nfile["': '\n    file["',
            "\nfile.s": "\n    file.s",
        },
    ),
    Snippet("mmmeta", 87, 87, "sh"),
    Snippet("mmmeta", 89, 90),
    Snippet("mmmeta", 101, 103),
    Snippet("mmmeta", 105, 107),
    Snippet("mmmeta", 109, 109),
    Snippet("mmmeta", 111, 114, mendings={"\n# run scraper": "\n    ran.append(True)"}),
    Snippet("mmmeta", 120, 120, "sh"),
    Snippet("mmmeta", 122, 122),
)

PASSED_OVER = {
    "asset_tracker": {
        136: "the tool's own tests, which are not here",
        144: "the tool's own demo, which is not here",
        269: "prose",
    },
    "mmmeta": {23: "prose", 99: "prose", 118: "how the other tool is installed"},
    "upload_tracker": {},
}
"""Line -> why it is not run."""

_CODE = re.compile(
    r"^(from \w+ import|import \w|for \w+ in|if \w+\.|def |class |await |python3 |export |rm |pip |mmmeta |MMMETA=|"
    r"m[. ]|tracker[. ]|downloader[. ]|\w+ = )"
)


def lines(seed: str) -> list[str]:
    """A document as published."""
    return (SEEDS / f"{seed}.txt").read_text(encoding="utf-8").splitlines()


def source(snippet: Snippet, **places: str) -> str:
    """A snippet with the imports changed, and mended where it is no code."""
    text = "\n".join(lines(snippet.seed)[snippet.first - 1 : snippet.last]) + "\n"
    for old, new in IMPORTS.items():
        text = text.replace(old, new)
    for wrong, right in snippet.mendings.items():
        assert wrong in text, f"{snippet.name}: {wrong!r} must stand there"
        text = text.replace(wrong, right)
    for name, place in places.items():
        text = text.replace("{" + name + "}", place)
    return text


def stray(seed: str) -> list[str]:
    """Lines outside the snippets that look like code."""
    inside = {line for one in (*ASSETS, *METADIR) if one.seed == seed for line in range(one.first, one.last + 1)}
    outside = [(number, line) for number, line in enumerate(lines(seed), 1) if number not in inside]
    return [f"{number}: {line}" for number, line in outside if _CODE.search(line) and number not in PASSED_OVER[seed]]
