"""Validates files of events against the published schema, with a library that the tests' own environment need not have.

    validate_events.py SCHEMA FILE...

Prints a line for each problem. What the schema does not name is one: it is published, so it is to be whole.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as its readers must not take it: without room for fields of later versions."""
    for definition in schema["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return schema


def validator_of(schema: dict[str, Any], kind: str) -> Draft202012Validator:
    # One type's definition gives a message that names the field; oneOf says only that none of nine fits.
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def main(schema_file: str, *files: str) -> None:
    published = json.loads(Path(schema_file).read_text())
    Draft202012Validator.check_schema(published)
    as_published = Draft202012Validator(published)
    schema = strict(json.loads(Path(schema_file).read_text()))
    kinds = {name: validator_of(schema, name) for name in (ref["$ref"].rpartition("/")[2] for ref in schema["oneOf"])}
    for file in files:
        for number, line in enumerate(Path(file).read_text().splitlines(), 1):
            event = json.loads(line)
            problems = [error.message for error in as_published.iter_errors(event)]
            if event["type"] not in kinds:
                problems.append(f"unknown type {event['type']!r}")
            else:
                problems += [f"{error.json_path}: {error.message}" for error in kinds[event["type"]].iter_errors(event)]
            for problem in problems:
                print(f"{file}:{number}: {problem[:300]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
