"""Runs Python as a notebook does: top-level await, one namespace, warnings on."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import types
from typing import Any

from planet_assets import blocking
from planet_assets.manager import AssetManager


def compiled(source: str, name: str) -> types.CodeType:
    """The source as code that may await at its top level.

    Raises:
        SyntaxError: it is no Python.
    """
    return compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


async def run_in(namespace: dict[str, Any], source: str, name: str) -> None:
    """Run a source in a namespace, on the running loop."""
    result = eval(compiled(source, name), namespace)
    if inspect.isawaitable(result):
        await result


def run(source: str, name: str, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a source on a loop of its own and return its namespace."""
    scope: dict[str, Any] = {"__name__": "__main__"} if namespace is None else namespace
    asyncio.run(run_in(scope, source, name))
    return scope


async def close_managers() -> None:
    """Close what snippets left open, while the sandbox still answers: they need not, but here a warning is an error."""
    for door in [each for each in gc.get_objects() if isinstance(each, blocking.AssetManager)]:
        await asyncio.to_thread(door.close)
    for manager in [each for each in gc.get_objects() if isinstance(each, AssetManager)]:
        await manager.aclose()
