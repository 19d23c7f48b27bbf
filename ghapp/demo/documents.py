"""What is declared in the demo's cluster: who may speak for the shop, who is told, and how."""

from importlib import resources
from typing import Any, Final

from ruamel.yaml import YAML

from ghapp.documents.kinds import GROUP, kinds

PLAYGROUND: Final = "playground"
"""A namespace that no TrustPolicy knows."""
_HERE: Final = "http://demo"
"""In the file, for the URL that the demo is on."""


def plurals() -> list[str]:
    """The kinds of documents, as the API server tells them from others of their name."""
    return [f"{kind.plural}.{GROUP}" for kind in kinds().values()]


def declared(base_url: str) -> list[dict[str, Any]]:
    """The documents of `documents.yaml`."""
    text = (resources.files(__package__) / "documents.yaml").read_text(encoding="utf-8")
    return list(YAML(typ="safe").load_all(text.replace(_HERE, base_url)))
