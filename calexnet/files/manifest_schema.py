"""The manifest's form as a JSON Schema: ``python -m calexnet.files.manifest_schema`` prints it.

`PATH` holds the same, for whoever reads bundles without calexnet. It says what a document looks
like; hashes and files, and that its parts fit each other, `calexnet.bundle` checks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calexnet import manifest
from calexnet.files import json_schema
from calexnet.manifest import SCHEMA, Manifest

PATH = Path(manifest.__file__).with_name("manifest.schema.json")


def document() -> dict[str, Any]:
    """Return the schema; beside the manifest's fields there is the document's own hash."""
    found = json_schema.schema_of(Manifest)
    own_hash = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 of the file's bytes with this value as 64 zeros.",
    }
    found["properties"] = {"sha256": own_hash, **found["properties"]}
    found["properties"]["schema"] = {**found["properties"]["schema"], "const": SCHEMA}
    found["required"] = ["sha256", *found["required"]]
    return found


def text() -> str:
    """Return it as the file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
