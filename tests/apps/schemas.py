"""What commands print with --json, beside docs/schemas."""
import json
import os
import pathlib

import jsonschema

ROOT = pathlib.Path(os.environ.get("TQ_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
FOLDER = ROOT / "docs" / "schemas"


def validate(value, name):
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)
