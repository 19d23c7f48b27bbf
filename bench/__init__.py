"""The budgets of the architecture, measured on this machine; `python -m bench` runs them all.

Each measurement is a file of its own and runs alone too: `python -m bench.commits`. What begins
with an underscore is shared by several of them. Nothing here is a test: no assertion fails when a
machine is slow, the table says so.
"""
