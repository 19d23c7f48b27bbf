"""Which proxy a request goes by, from the variables that command-line tools agree on.

``HTTPS_PROXY`` for https and ``HTTP_PROXY`` for http, in lower case first; ``NO_PROXY`` lists what
is reached directly: names with all that is below them, addresses and networks, each perhaps with a
port, or ``*``. This machine itself is always reached directly. As Go's libraries read them, and so
kubectl and Flux: https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """The URL of the proxy; empty: none."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
    proxy = _read(environ, f"{parts.scheme}_proxy")
    spared = _read(environ, "no_proxy").split(",")
    if not proxy or _is_here(host) or any(_spares(entry, host, port) for entry in spared):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _read(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper(), "")).strip()


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _spares(entry: str, host: str, port: int) -> bool:
    """Whether an entry of ``NO_PROXY`` is about this host."""
    name, only = _parted(entry.strip().lower())
    if not name or only not in ("", str(port)):
        return False
    address = _address(host)
    if address is not None:
        return name == "*" or _contains(name, address)
    name = name.removeprefix("*").removeprefix(".")
    return not name or host == name or host.endswith(f".{name}")


def _parted(entry: str) -> tuple[str, str]:
    """Host and port; an address of IPv6 has colons, and brackets if it has a port."""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
    return host, port


def _contains(network: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:  # a name
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
