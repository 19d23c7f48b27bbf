"""The sources checkrail reads: one file each, found by looking into this folder.

A file here that says ``ADAPTER = Adapter(...)`` is a source; nothing else has to be told of it
(`ghapp.discovery`). `_read` holds what several of them need. An adapter imports `ghapp.core`,
`ghapp.errors` and `_read` only.
"""
