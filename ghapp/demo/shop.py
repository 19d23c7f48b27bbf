"""The shop that the demo builds: its files, what its steps print, the Secret that its tests need.

The logs are as the tools write them, and careless with a password, as tests are. A failing test
stumbles over `STUMBLE`, a line of the file that the commit changed, so that the finding which
checkrail reads from its log stands on a line that is there.
"""

import base64
from typing import Any, Final

from ghapp.demo.kinds import CI

PASSWORD: Final = "tea-for-two-4411"  # noqa: S105 - nobody's, to be seen masked
STUMBLE: Final = 7

_SECRET: Final = "shop-tests"  # noqa: S105 - its name
SIGNED_IN: Final = (
    {
        "name": "SHOP_PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": _SECRET, "key": "password"}},
    },
)
"""The environment of what tests the shop."""

_FILE: Final = '''\
"""{title}."""

REVISION = {revision}


def buy(shop, item):
    return shop.pay(item, revision=REVISION)
'''
_TESTS: Final = '''\
"""What a visitor of the shop does."""

from shop import buy, give_back


def test_a_visitor_buys_tea(shop):
    assert buy(shop, "tea") == "paid"


def test_a_visitor_gives_it_back(shop):
    assert give_back(shop, "tea") == "refunded"
'''
_PYTEST: Final = """\
=================== test session starts ====================
platform linux -- Python 3.13.7, pytest-9.0.2, pluggy-1.6.0
collected 2 items

tests/test_journeys.py F.                             [100%]

========================= FAILURES =========================
_________________ test_a_visitor_buys_tea __________________
tests/test_journeys.py:7: in test_a_visitor_buys_tea
    assert buy(shop, "tea") == "paid"
{path}:{line}: in buy
    return shop.pay(item, revision=REVISION)
E   {trouble}
------------------- Captured stdout call -------------------
signed in to the test shop as ci, password {password}
================= short test summary info ==================
FAILED tests/test_journeys.py::test_a_visitor_buys_tea
=============== 1 failed, 1 passed in 1.92s ================
"""
_E2E: Final = """\
journeys in https://shop.ci.svc as ci, password {password}
return  ok      3.1 s
buy     FAILED  2.4 s
Traceback (most recent call last):
  File "{path}", line {line}, in buy
    return shop.pay(item, revision=REVISION)
{trouble}
"""
_FAILED: Final = {"checkout": _PYTEST, "e2e": _E2E}
_PASSED: Final = {
    "clone": "HEAD is now at the commit that was pushed\n",
    "unit": f"{'.' * 60} [100%]\n60 passed in 1.31s\n",
    "checkout": ".. [100%]\n2 passed in 1.88s\n",
    "build": "#9 exporting to image\n#9 exporting layers done\n",
    "push": "pushed the chart of the shop to oci://registry.example/acme\n",
    "post": '{"ok":true}\n',
    "e2e": "return  ok      3.1 s\nbuy     ok      2.2 s\n",
}


FILES: Final = {"README.md": "# shop\n\nSells things.\n", "tests/test_journeys.py": _TESTS}
"""What the repository begins with."""


def secret() -> dict[str, Any]:
    """What the tests sign in with."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET, "namespace": CI},
        "data": {"password": base64.b64encode(PASSWORD.encode()).decode()},
    }


def changed_file(title: str, revision: int) -> str:
    """A file after a commit of this title."""
    return _FILE.format(title=title, revision=revision)


def printed(step: str, *, failed: bool, path: str, trouble: str) -> str:
    """The log of a step; of one that is not known, nothing."""
    if not failed:
        return _PASSED.get(step, "")
    facts = {"path": path, "line": STUMBLE, "trouble": trouble, "password": PASSWORD}
    return _FAILED.get(step, "").format_map(facts)
