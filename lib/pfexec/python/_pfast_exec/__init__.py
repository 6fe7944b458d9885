"""Adapts pytest to pfexec: loaded into the embedded interpreter only, never imported by a suite.

Importing it has no side effect and imports nothing that the standard library or pytest would not import anyway.
"""
