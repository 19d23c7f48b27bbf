"""Fixtures of the stand-ins' own tests: a Kubernetes API in this process, served on loopback."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from ghapp.demo.kube import KubeApi
from tests.demo.kube_client import Kube


@pytest.fixture
def kube_api() -> KubeApi:
    return KubeApi()


@pytest.fixture
async def kube(kube_api: KubeApi) -> AsyncIterator[Kube]:
    """A client of `kube_api` over HTTP."""
    async with TestServer(kube_api.app()) as server, ClientSession(read_bufsize=2**20) as session:
        yield Kube(str(server.make_url("")).rstrip("/"), session)
