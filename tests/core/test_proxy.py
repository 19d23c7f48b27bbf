"""Which proxy a request goes by: the table of what the variables mean, and garbage in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.proxy import proxy_for

PROXY = "http://proxy.example:3128"
API = "https://git.acme.example/api/v3"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (API, {}, ""),
        (API, {"HTTPS_PROXY": PROXY}, PROXY),
        (API, {"https_proxy": PROXY}, PROXY),
        (API, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other.example"}, PROXY),
        (API, {"HTTPS_PROXY": "", "https_proxy": PROXY}, PROXY),
        (API, {"HTTPS_PROXY": PROXY, "NO_PROXY": "x.example", "no_proxy": "*"}, PROXY),
        (API, {"HTTPS_PROXY": PROXY, "no_proxy": "*"}, ""),
        (API, {"HTTP_PROXY": PROXY}, ""),
        ("http://git.acme.example", {"HTTP_PROXY": PROXY}, PROXY),
        (API, {"HTTPS_PROXY": " proxy.example:3128 "}, PROXY),
        (API, {"HTTPS_PROXY": ""}, ""),
        ("https://localhost:8443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.9", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:8443", {"HTTPS_PROXY": PROXY}, ""),
    ],
)
def test_a_scheme_has_its_variable(url: str, environ: dict[str, str], proxy: str) -> None:
    assert proxy_for(url, environ) == proxy


@pytest.mark.parametrize(
    ("url", "spared", "direct"),
    [
        (API, "git.acme.example", True),
        (API, "GIT.ACME.EXAMPLE", True),
        (API, "acme.example", True),
        (API, ".acme.example", True),
        (API, "*.acme.example", True),
        (API, ".git.acme.example", False),
        (API, "*.git.acme.example", False),
        (API, ".git.acme.example:443,git.acme.example:8443", False),
        (API, "*acme.example", False),
        (API, ".", False),
        (API, "*.", False),
        (API, ":443", False),
        (API, "*:443", False),
        (API, "x.example, *", True),
        (API, "git.acme.example:", True),
        ("https://bücher.example", "bücher.example", True),
        ("https://xn--bcher-kva.example", ".example, bücher.example", True),
        ("https://git.bücher.example", ".bücher.example", True),
        (API, "other.example, .acme.example ,", True),
        (API, "*", True),
        (API, "cme.example", False),
        (API, "acme.example.org", False),
        (API, "", False),
        (API, ",", False),
        (API, "acme.example:443", True),
        (API, "acme.example:8443", False),
        ("https://git.acme.example:8443", "acme.example:8443", True),
        ("https://10.1.2.3/api/v3", "10.0.0.0/8", True),
        ("https://10.1.2.3/api/v3", "10.1.2.3", True),
        ("https://10.1.2.3/api/v3", "10.1.2.3:443", True),
        ("https://10.1.2.3/api/v3", "192.168.0.0/16", False),
        ("https://10.1.2.3/api/v3", "*", True),
        ("https://10.1.2.3/api/v3", "10.1.2.3:80", False),
        ("https://10.1.2.3/api/v3", "10.0.0.0/255.0.0.0", False),
        ("https://10.1.2.3/api/v3", "10.0.0.0/33", False),
        ("https://10.1.2.3/api/v3", "10.0.0.0/8:443", False),
        ("https://10.1.2.3/api/v3", "10.1.2", False),
        ("https://10.1.2.3/api/v3", "2.3", True),
        ("https://10.1.2.3/api/v3", ".2.3", True),
        ("https://10.1.2.3/api/v3", "::ffff:10.1.2.3", True),
        ("https://[fd00::7]/api/v3", "fd00::/8", True),
        ("https://[fd00::7]/api/v3", "[fd00::7]:443", True),
        ("https://[fd00::7]/api/v3", "[fd00::7]:80", False),
        ("https://[fd00::7]/api/v3", "fd00::7", True),
        ("https://[fd00::7]/api/v3", "[fd00::7]", False),
    ],
)
def test_what_is_spared_is_reached_directly(url: str, spared: str, direct: bool) -> None:
    """As golang.org/x/net/http/httpproxy decides, odd entries included."""
    found = proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": spared})
    assert found == ("" if direct else PROXY)


@given(st.text())
def test_garbage_spares_something_or_nothing(spared: str) -> None:
    assert proxy_for(API, {"HTTPS_PROXY": PROXY, "NO_PROXY": spared}) in {"", PROXY}
