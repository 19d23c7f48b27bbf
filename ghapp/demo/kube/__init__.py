"""A Kubernetes API with memory, small enough to be started by every test.

`KubeApi().app()` is an aiohttp application that kubectl and any other client can talk to; the
methods of `KubeApi` change the same objects without HTTP. It is no cluster: nothing runs.
"""

from ghapp.demo.kube.api import KubeApi
from ghapp.demo.kube.status import StatusError

__all__ = ["KubeApi", "StatusError"]
