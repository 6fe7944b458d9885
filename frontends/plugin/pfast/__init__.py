"""pfast for Python programs. :mod:`pfast.wire` reads and writes the frames that pfast's processes exchange."""

#: `pytest -p pfast`, where the package lies on the path without having been installed.
pytest_plugins = ("pfast.plugin",)
