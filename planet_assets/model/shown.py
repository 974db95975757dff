"""The one upward look: values show themselves in a notebook by asking `view.page`, imported when they do."""

from __future__ import annotations

from types import ModuleType


def page() -> ModuleType:
    """The module that draws values as HTML without any network."""
    from planet_assets.view import page as view_page

    return view_page
