"""What all tests share: the GitHub stand-in's fixtures, and how hypothesis looks for examples."""

import os

from hypothesis import settings

pytest_plugins = ["tests.github_fixtures"]

# Time says nothing on a machine that others share. In CI the examples are the same every time: a
# change is judged by what it changed.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
