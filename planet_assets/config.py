"""Finds keys and settings: the only reader of the environment and of configuration files.

Settings come, strongest first, from the caller, from environment variables `PLANET_ASSETS__SECTION__KEY`, and from a
TOML file. They are read when a manager is made, never at import, and do not change afterwards.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import platform
import re
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from planet_assets.exceptions import KeyMissing, Misused
from planet_assets.model.quota import Budget
from planet_assets.model.tariff import Tariff
from planet_assets.planet.auth import PlanetAuth
from planet_assets.sites import tokens

PREFIX = "PLANET_ASSETS__"
API_URL = "https://api.planet.com"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A group of settings; unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RateLimits(Section):
    """Requests a second and key. Source: confirmed (Planet's notebooks), lower them for a plan with less."""

    search: Positive = 10.0
    """Search, items and asset lists."""
    activation: Positive = 5.0
    """Activations."""
    download: Positive = 15.0
    """Starts of downloads."""
    orders: Positive = 3.0
    """Calls of the Orders API."""


class PlanetSettings(Section):
    """Where Planet is, and which subscription pays."""

    api_url: str = API_URL
    """Address of Planet's API; a sandbox prints its own."""
    subscription: str | None = None
    """Id or plan name of the subscription to use, when the account has several."""
    account: str | None = None
    """Name of the account where Planet names no subscription: a reset key and colleagues then share its ledger."""


class QuotaSettings(Section):
    """How quota is looked at."""

    allow_unknown: bool = False
    """True to go on when nobody can tell the quota."""
    style: Literal["consumption", "aum"] | None = None
    """How Planet charges: per image, or only ground that is not unlocked yet; unset, what Planet says."""
    term: str | None = None
    """aum: names the term in which unlocked ground stays free, for example its first day; unset, what Planet says."""
    repeat: Literal["each", "once"] = "each"
    """Whether every new download of an asset charges again. Source: assumed, the safe side."""
    types: Literal["each", "first"] = "each"
    """Whether each raster asset of a scene charges, or only the first. Source: assumed, the safe side."""
    udm2: bool = True
    """Whether the usable data mask charges when it is downloaded. Source: assumed, the safe side."""
    clip_lowers: bool = True
    """Whether an order is charged by its clip. Source: confirmed; it depends on the raster tools of the plan."""
    clip_minimum_km2: Annotated[float, Field(ge=0, le=10_000)] = 0.01
    """The least that a clipped scene charges, km². Source: confirmed for Premium; 100 is reported for Preferred."""
    composite: Literal["inputs", "output"] = "inputs"
    """Whether a composite is priced by the scenes that go into it or by what comes out. Source: assumed."""
    near_limit: Share = 0.9
    """Share of the limit from which usage counts as near the limit."""
    daily_limit_km2: Positive | None = None
    """km² that all scripts on the library may spend in a UTC day, what is held included; the strictest stated holds."""
    weekly_limit_km2: Positive | None = None
    """km² that all scripts on the library may spend in a week from Monday, UTC; the strictest stated holds."""
    monthly_reserve_fraction: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the limit that no script on the library may touch; the strictest stated holds."""


class OrdersSettings(Section):
    """How orders are followed."""

    grace_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """How long an order whose answer was lost may take to show up in Planet's list, seconds. Source: ours."""
    look_s: Positive = 5.0
    """Shortest pause between two looks at an order, seconds."""


class Settings(BaseSettings):
    """Every setting with its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    max_concurrent_downloads: Annotated[int, Field(ge=1, le=64)] = 3
    """Downloads side by side."""
    connections_per_file: Annotated[int, Field(ge=1, le=16)] = 8
    """The most connections for one file; more than one only where that is tried and helps."""
    download_chunk_size: Annotated[int, Field(ge=1024, le=64 * 2**20)] | None = None
    """Upper bound of one read, bytes; unset, the best is chosen."""
    retry_attempts: Annotated[int, Field(ge=0, le=100)] = 3
    """Tries of a step after the first."""
    retry_delay: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """First pause before a step is tried again, seconds; it doubles."""
    timeout: Positive = 300.0
    """Seconds without progress after which a transfer is broken off; never a limit for a whole file."""
    rate_limits: RateLimits = RateLimits()
    """Requests a second."""
    cleanup_temp_files: bool = True
    """True to remove part files of downloads that ended without a file."""
    asset_types: tuple[str, ...] = ("ortho_analytic_4b",)
    """Asset types to fetch when none are named."""
    output_dir: str = "./downloads"
    """Folder for files when none is named."""
    delivery: Literal["data", "orders", "auto"] = "auto"
    """How Planet delivers: whole scenes by the Data API, cut and charged by the clip by orders, or the cheaper."""
    naming: Literal["planet", "asset"] = "planet"
    """File names: Planet's own, or `<item>_<asset_type>`."""
    library: str | None = None
    """Path of the library, or a postgresql:// address; unset, a file in the user's data folder."""
    proxy: str | None = None
    """Proxy address; unset, the system's settings hold."""
    planet: PlanetSettings = PlanetSettings()
    """Where Planet is, and which subscription pays."""
    orders: OrdersSettings = OrdersSettings()
    """How orders are followed."""
    quota: QuotaSettings = QuotaSettings()
    """How quota is looked at."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The caller wins over the environment; files are passed in by `load`."""
        return (init_settings,)


def load(config: Mapping[str, Any] | Settings | None = None) -> Settings:
    """Settings from the caller, the environment and the configuration file.

    Raises:
        Misused: an unknown key or a senseless value, by name, with where it came from.
    """
    if isinstance(config, Settings):
        return config
    return _validated(layers(config))


def layers(config: Mapping[str, Any] | None = None) -> list[tuple[str, dict[str, Any]]]:
    """(where from, values) from the weakest to the strongest."""
    path = config_path()
    found: list[tuple[str, dict[str, Any]]] = []
    if path.exists():
        found.append((str(path), _read_toml(path)))
    found.append(("environment", _environment()))
    if config is not None:
        found.append(("argument", dict(config)))
    return found


def origins(config: Mapping[str, Any] | None = None) -> list[tuple[str, Any, str]]:
    """(dotted key, value, where it came from) of every setting."""
    values = _flat(load(config).model_dump())
    where = {key: source for source, layer in layers(config) for key in _flat(layer)}
    return [(key, value, where.get(key, "default")) for key, value in values.items()]


def described() -> list[tuple[str, Any, str]]:
    """(dotted key, default, what it means) of every setting; a section's own line comes before its keys."""
    return _described(Settings, "")


def tariff(settings: Settings) -> Tariff:
    """By which rules Planet charges, as far as that is declared."""
    declared = settings.quota.model_dump(include={field.name for field in fields(Tariff)}, exclude_none=True)
    return Tariff(**declared)


def budgets(config: Mapping[str, Any] | Settings | None, *, script: str) -> dict[str, Budget | None]:
    """The budgets these settings state, by who states them; None takes back what a file stated earlier.

    The configuration file speaks for itself, so that a changed file counts at once for every script that reads it.
    Environment and argument speak for the script.
    """
    given = config.model_dump(exclude_unset=True) if isinstance(config, Settings) else config
    found: dict[str, Budget | None] = {f"{config_path()} on {platform.node()}": None}
    for source, values in layers(given):
        budget = _budget(values.get("quota"))
        if source not in ("environment", "argument"):
            found[f"{source} on {platform.node()}"] = budget
        elif budget is not None:
            found[script] = budget
    return found


def _budget(section: Any) -> Budget | None:
    values = section.model_dump() if isinstance(section, QuotaSettings) else section
    names = ("daily_limit_km2", "weekly_limit_km2", "monthly_reserve_fraction")
    stated = {name: values[name] for name in names if values.get(name) is not None} if values else {}
    if not stated:
        return None
    read = QuotaSettings.model_validate(stated)
    return Budget(
        daily_km2=read.daily_limit_km2, weekly_km2=read.weekly_limit_km2, reserve_share=read.monthly_reserve_fraction
    )


def config_path() -> Path:
    """The configuration file: `PLANET_ASSETS_CONFIG`, or config.toml in the user's configuration folder."""
    named = os.environ.get("PLANET_ASSETS_CONFIG")
    return Path(named).expanduser() if named else platformdirs.user_config_path("planet-assets") / "config.toml"


def library_address(settings: Settings) -> str:
    """Where the library lies: argument, `PLANET_ASSETS_LIBRARY`, or the user's data folder."""
    named = settings.library or os.environ.get("PLANET_ASSETS_LIBRARY")
    return named or str(platformdirs.user_data_path("planet-assets") / "library.db")


def tracker_token(address: str) -> str | None:
    """What a tracker knows us by: `PLANET_ASSETS_TRACKER_TOKEN` at `PLANET_ASSETS_TRACKER`, or what sign-in kept."""
    return tokens.find(tracker_tokens(), address, *map(os.environ.get, tokens.VARIABLES))


def tracker_tokens() -> Path:
    """Where tokens of trackers are kept."""
    return config_path().with_name("trackers.json")


def find_auth(key: str | PlanetAuth | None = None) -> PlanetAuth:
    """The API key: argument, `PL_API_KEY`, `~/.planet.json`, Planet's profiles; the result says which one won.

    Raises:
        KeyMissing: none of them has one.
    """
    if isinstance(key, PlanetAuth):
        return key
    if key:
        return PlanetAuth(key, source="argument")
    if key := os.environ.get("PL_API_KEY", "").strip():
        return PlanetAuth(key, source="PL_API_KEY")
    for path in _key_files():
        if found := _key_in(path):
            return PlanetAuth(found, source=f"~/{path.relative_to(Path.home())}")
    raise KeyMissing(
        "No Planet API key was found.",
        hint='Set PL_API_KEY, or write {"key": "..."} into ~/.planet.json; your key is under My Settings at Planet.',
    )


def http_options(settings: Settings) -> dict[str, Any]:
    """What every HTTP client is given: the proxy, and the certificates to trust.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured; otherwise the system's trust store where `truststore` is
    installed.
    """
    here = _is_here(settings.planet.api_url)
    return {"proxy": None if here else settings.proxy, "verify": _trust(), "trust_env": not here}


def network_words(settings: Settings) -> dict[str, str]:
    """Which proxy and which certificates will be used, in words and without passwords."""
    found = {} if _is_here(settings.planet.api_url) else urllib.request.getproxies()
    proxies = {"setting proxy": settings.proxy} if settings.proxy else found
    named = [f"{name}={os.environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    system = importlib.util.find_spec("truststore") is not None
    words = ", ".join(f"{name}: {url}" for name, url in sorted(proxies.items()) if url)
    return {
        "proxy": without_password(words) or "none",
        "trust": ", ".join(named) or ("the system's trust store" if system else "the certificates of certifi"),
    }


def without_password(text: str) -> str:
    """The text with user and password taken out of every address in it."""
    return re.sub(r"(password=)[^&\s]*", r"\1***", re.sub(r"//\S+@", "//***@", text))


def _is_here(url: str) -> bool:
    """True for an address on this machine, as a sandbox has: no proxy can reach it."""
    return urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _described(section: type[BaseModel], prefix: str) -> list[tuple[str, Any, str]]:
    lines: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        inner = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        lines.append((f"{prefix}{name}", None if inner else field.default, field.description or ""))
        if inner:
            lines += _described(type(field.default), f"{prefix}{name}.")
    return lines


def _trust() -> Any:
    import ssl

    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"), capath=os.environ.get("SSL_CERT_DIR"))
    try:
        import truststore
    except ImportError:
        return True
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _key_files() -> list[Path]:
    profile = os.environ.get("PL_AUTH_PROFILE", "").strip()
    profiles = [Path.home() / ".planet" / profile / "auth_client.json"] if profile.isidentifier() else []
    return [*profiles, Path.home() / ".planet.json"]


def _key_in(path: Path) -> str | None:
    """The `key` of a file of Planet's; an OAuth profile has none, and is not understood here."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    names = ("key", "api_key", "PL_API_KEY", "pl_api_key")
    found = [document[name] for name in names if isinstance(document, dict) and isinstance(document.get(name), str)]
    return found[0].strip() if found else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misused(f"The configuration file {path} cannot be read: {error}.", argument="config") from None


def _environment() -> dict[str, Any]:
    """`PLANET_ASSETS__A__B=x` as {"a": {"b": "x"}}; lists and sections may be given as JSON."""
    tree: dict[str, Any] = {}
    for name, text in os.environ.items():
        if not name.upper().startswith(PREFIX):
            continue
        *sections, key = name.upper().removeprefix(PREFIX).lower().split("__")
        branch = tree
        try:
            for section in sections:
                branch = branch.setdefault(section, {})
            branch[key] = json.loads(text) if text[:1] in ("[", "{") else text
        except (ValueError, TypeError, AttributeError):
            raise Misused(
                f"The environment variable {name} cannot be read.",
                hint='A list is written as JSON: ["a", "b"]; a section has no value of its own.',
                argument=name,
            ) from None
    return tree


def _merged(weaker: dict[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(weaker)
    for key, value in stronger.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _validated(found: list[tuple[str, dict[str, Any]]]) -> Settings:
    merged: dict[str, Any] = {}
    for _, layer in found:
        merged = _merged(merged, layer)
    try:
        return Settings(**merged)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        where = next((source for source, layer in reversed(found) if key in _flat(layer)), "argument")
        raise _complaint(key, problem, where) from None


def _complaint(key: str, problem: Mapping[str, Any], where: str) -> Misused:
    if problem["type"] != "extra_forbidden":
        return Misused(f"The setting {key} ({where}) is wrong: {problem['msg']}.", argument=key)
    known = [*_flat(Settings().model_dump()), "rate_limits", "planet", "quota"]
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."
    return Misused(f"There is no setting {key!r} ({where}).", hint=hint, argument=key)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
