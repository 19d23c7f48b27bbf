"""Values of other tools in the form that our documents ask for."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from ghapp import cel
from ghapp.core.model import without_credentials
from ghapp.documents import texts
from ghapp.documents.reading import Steps
from ghapp.errors import ConfigError
from ghapp.migrate._go_template import NotTranslated, Vocabulary, translate
from ghapp.migrate._source import Source
from ghapp.migrate._tool import Json

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
LONGEST_NAME: Final = 63
"""Of a DNS label."""
_HOST: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PORT: Final = re.compile(r":[0-9]{1,5}(?=/|$)")
_PART: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")


def name_of(*parts: str) -> str:
    """A DNS label out of texts; empty if nothing in them can be in a name."""
    text = _NOT_IN_NAMES.sub("-", "-".join(part for part in parts if part).lower())
    return text[:LONGEST_NAME].strip("-")


def quoted(text: str) -> str:
    """A text literal of CEL: what JSON writes, CEL reads."""
    return json.dumps(text, ensure_ascii=False)


def one_of(field: str, values: Iterable[str]) -> str:
    """``run.name in ["a", "b"]``."""
    many = [quoted(one) for one in values]
    return f"{field} == {many[0]}" if len(many) == 1 else f"{field} in [{', '.join(many)}]"


def expression_problem(expression: str) -> str:
    """Why this is no filter of ours; empty: it is one."""
    try:
        cel.compile(expression)
    except ConfigError as error:
        return error.mistakes[0]
    return ""


def text_problem(field: str, text: str) -> str:
    """Why this cannot stand in the field of a Notification; empty: it can."""
    try:
        texts.compile(field, text)
    except ConfigError as error:
        return error.mistakes[0]
    return ""


def translated(
    source: Source, steps: Steps, text: str, *, field: str, vocabulary: Vocabulary, beside: Steps
) -> str:
    """Their Go template as our text, or nothing, and why."""
    ours, problem = _translated(text, field, vocabulary)
    if problem:
        source.to_do(f"{problem}; write it anew", *steps, beside=beside)
    return ours


def _translated(text: str, field: str, vocabulary: Vocabulary) -> tuple[str, str]:
    """The text, or what is wrong."""
    if without_credentials(text) != text:
        return "", "it holds credentials"
    try:
        ours = translate(text, vocabulary)
    except NotTranslated as error:
        return "", str(error)
    problem = text_problem(field, ours)
    return ("", problem) if problem else (ours, "")


def clamped(source: Source, steps: Steps, low: int, high: int, *, beside: Steps) -> int | None:
    """A number, brought between the limits of ours."""
    number = source.number(*steps)
    if number is None:
        return None
    if not low <= number <= high:
        source.differs(f"{number} is outside of {low} to {high}", *steps, beside=beside)
    return min(max(number, low), high)


def host_of(url: str) -> str:
    """The host that a URL, or a bare host, names; empty: none that can be shown."""
    try:
        host = urlsplit(url if "://" in url else f"https://{url}").hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


def repository_of(url: str) -> str:
    """``github.com/acme/shop``; empty: the URL names no repository that a pattern may name."""
    host = host_of(url)
    if not host or "?" in url or "#" in url or "://" not in url:
        return ""
    path = urlsplit(url).path.removesuffix("/").removesuffix(".git")
    parts = path.split("/")[1:]
    named = len(parts) >= 2 and all(_PART.fullmatch(part) for part in parts)
    return "/".join([host, *parts]) if named else ""


def say_host(source: Source, url: str, *steps: str | int) -> None:
    """Where the App's GitHub is, if it is not github.com."""
    host = host_of(url)
    if host.removeprefix("www.").removeprefix("api.") in {"", "github.com"}:
        if steps:
            source.needless("that is where the App is", *steps)
        return
    port = found[0] if (found := _PORT.search(url)) else ""
    api = f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}{port}/api/v3"
    source.to_do(f"set CHECKRAIL_GITHUB_API_URL={api} where checkrail runs", *steps)


def label_selector(source: Source, *steps: str | int) -> Json:
    """A label selector, as Kubernetes has it."""
    selector: Json = {}
    if labels := source.mapping(*steps, "matchLabels"):
        selector["matchLabels"] = labels
    where = (*steps, "matchExpressions")
    requirements = [_requirement(source, (*where, at)) for at in range(source.count(*where))]
    if requirements:
        selector["matchExpressions"] = requirements
    return selector


def _requirement(source: Source, steps: Steps) -> Json:
    requirement: Json = {
        "key": source.text(*steps, "key"),
        "operator": source.text(*steps, "operator"),
    }
    if values := source.texts(*steps, "values"):
        requirement["values"] = values
    return requirement


def without_empty(**fields: Any) -> Json:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}
