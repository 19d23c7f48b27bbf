"""The command line as a pod runs it: `python -m bench._pod MOUNT run`.

A pod's service account is mounted at a path that is hard-coded, as in client-go; here is no kubelet
that could mount anything there, so the path is another. Nothing else differs from `checkrail run`
in a cluster: the small loader reads token and CA, and the API is reached by TLS.
"""

import sys
from pathlib import Path

from ghapp.cli import main
from ghapp.engine.kube_account import in_cluster

if __name__ == "__main__":
    in_cluster.__defaults__ = (Path(sys.argv.pop(1)),)
    main()
