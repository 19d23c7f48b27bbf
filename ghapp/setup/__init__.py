"""`checkrail setup`: a GitHub App in a minute, its secrets where the product looks for them.

`command` takes the options; `flow` plays GitHub's manifest flow with a page on loopback, `places`
keep what comes of it, and `rotation` changes the webhook secret later. What a running process does
when a secret has changed is `ghapp.rotation`.
"""
