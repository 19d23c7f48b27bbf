"""Which proxy a request goes by, from the variables that command-line tools agree on.

``HTTPS_PROXY`` for https and ``HTTP_PROXY`` for http, in lower case where there is none in upper
case. ``NO_PROXY`` lists what is reached directly: a name with all that is below it, ``.name`` or
``*.name`` for only what is below it, addresses, each perhaps with a port, and networks; a ``*``
among them spares everything. This machine itself is always reached directly. As Go's libraries read
them, and so kubectl and Flux: https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_ALL: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where a request goes."""

    host: str
    port: str
    address: IPv4Address | IPv6Address | None
    """None: the host is a name."""


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """The URL of the proxy; empty: none."""
    parts = urlsplit(url)
    host, port = _ascii((parts.hostname or "").lower()), parts.port or _PORTS.get(parts.scheme, 0)
    target = _Target(host=host, port=str(port), address=_address(host))
    proxy = _read(environ, f"{parts.scheme}_PROXY")
    spared = [entry.strip().lower() for entry in _read(environ, "NO_PROXY").split(",")]
    if not proxy or _is_here(target) or _ALL in spared:
        return ""
    if any(_spares(entry, target) for entry in spared):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _read(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.upper()) or environ.get(name.lower(), "")).strip()


def _is_here(target: _Target) -> bool:
    address = target.address
    return target.host == "localhost" or (address is not None and address.is_loopback)


def _spares(entry: str, target: _Target) -> bool:
    """Whether an entry of ``NO_PROXY`` is about this target."""
    base, slash, length = entry.partition("/")
    if slash and length.isdecimal() and _address(base) is not None:
        return _contains(entry, target)
    name, only = _parted(entry)
    if not name or only not in ("", target.port):
        return False
    address = _address(name)
    if address is not None:
        return address == target.address
    name = name[1:] if name.startswith("*.") else name
    if name.startswith("."):
        return target.host.endswith(f".{_ascii(name[1:])}")
    name = _ascii(name)
    return target.host == name or target.host.endswith(f".{name}")


def _parted(entry: str) -> tuple[str, str]:
    """Host and port; an address of IPv6 has colons, and brackets if it has a port."""
    if entry.startswith("["):
        host, end, port = entry[1:].partition("]:")
        return (host, port) if end else (entry, "")
    host, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
    return host, port


def _contains(network: str, target: _Target) -> bool:
    try:
        return target.address is not None and target.address in ip_network(network, strict=False)
    except ValueError:  # a length that no network has
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """An address of IPv4 is the same when IPv6 writes it."""
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


def _ascii(name: str) -> str:
    """As it goes over the wire: ``bücher.example`` is ``xn--bcher-kva.example``."""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name
