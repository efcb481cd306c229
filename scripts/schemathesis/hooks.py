"""What Schemathesis cannot read by itself."""

import json

import schemathesis


@schemathesis.deserializer("application/x-ndjson")
def lines(_context, response):
    """Lines of JSON, as the list that the document describes."""
    return [json.loads(line) for line in response.content.splitlines()]
