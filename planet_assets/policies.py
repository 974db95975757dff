"""Confirmation policies: rules that answer a plan instead of a person. Usable wherever a confirmation hook is.

>>> from planet_assets import policies
>>> policies.all_of(policies.max_area(500), policies.keep_share(0.2))
all_of(max_area(500), keep_share(0.2))
"""

from __future__ import annotations

from planet_assets.rules.policies import (
    Policy,
    Question,
    all_of,
    always,
    any_of,
    ask,
    cheaper_route_required,
    keep_share,
    max_area,
    max_per,
    never,
    not_,
    only_between,
)

__all__ = [
    "Policy",
    "Question",
    "all_of",
    "always",
    "any_of",
    "ask",
    "cheaper_route_required",
    "keep_share",
    "max_area",
    "max_per",
    "never",
    "not_",
    "only_between",
]
