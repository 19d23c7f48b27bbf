"""checkrail: Kubernetes runs as GitHub checks and CDEvents; a click as exactly one effect."""

__version__ = "0.1.0"
