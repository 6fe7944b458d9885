"""pfast for Python programs. :mod:`pfast.wire` reads and writes the frames that pfast's processes exchange."""
