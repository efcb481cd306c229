"""Loading skops files: a zip archive of arrays and of schema.json, which names the types that the object is made of."""
import importlib
import io
import json
import sys
import zipfile

from frames import Failure
from restricted import check_found, is_allowed

MAGIC = b"PK\x03\x04"
SCHEMA = "schema.json"


def _types(value):
    """The full names of all types that a schema names; without recursion, since the nesting is the publisher's."""
    found, left = set(), [value]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            left += one.values()
            module, name = one.get("__module__"), one.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                found.add((module, name))
    return found


def _refuse(names):
    raise Failure(
        "UNSAFE_FORMAT",
        f"The model is made of {', '.join(sorted(names)[:10])}, not on the allow-list of what estimators are made of. "
        "Convert it to ONNX, or start this node with --allow-pickle=any if you trust its publisher",
    )


def _check_types(content, policy):
    """Refuses a file that names a type beyond the allow-list, by the names in its schema, before any is imported."""
    with zipfile.ZipFile(content) as archive:
        named = _types(json.loads(archive.read(SCHEMA)))
    refused = {f"{module}.{name}" for module, name in named if not is_allowed(policy, module, name)}
    if refused:
        _refuse(refused)
    for module, name in named:
        check_found(policy, module, name, getattr(importlib.import_module(module), name))


def load_skops(file, policy):
    """The object of an open skops file. `policy`: the allow-list, or None: anything may be imported."""
    try:
        from skops import io as skops_io
    except ModuleNotFoundError as error:
        raise Failure(
            "LOAD_FAILED",
            f"{error.name} is not installed for {sys.executable}, which a skops file needs: install skops with pip, or "
            "add it to the version's requirements.txt",
        ) from error
    content = file if file.seekable() else io.BytesIO(file.read())
    if policy is not None:
        _check_types(content, policy)
    # What skops itself would have to be told to trust: by its own reading of the file, which may find more.
    untrusted = skops_io.get_untrusted_types(file=content)
    if policy is not None:
        refused = {one for one in untrusted if not is_allowed(policy, *one.rpartition(".")[::2])}
        if refused:
            _refuse(refused)
    return skops_io.load(content, trusted=untrusted)
