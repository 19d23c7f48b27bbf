"""The embedded stand-ins: a Kubernetes API, a GitHub, a scripted cluster and the page of both.

They have memory and enforce the real limits; the tests use them too. Nothing outside this package
imports it, except the command line.
"""
