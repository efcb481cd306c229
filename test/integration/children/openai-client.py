"""Uses the openai package as its users do. Arguments: base URL, key. Prints what it got as JSON."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
model = "embeddings"
got = {}

one = client.embeddings.create(model=model, input="A cat sleeps.")
got["one"] = one.data[0].embedding
got["usage"] = one.usage.total_tokens
many = client.embeddings.create(model=model, input=["A cat sleeps.", "A dog barks."], encoding_format="float")
got["many"] = [each.embedding for each in many.data]
got["indexes"] = [each.index for each in many.data]
got["short"] = client.embeddings.create(model=model, input="A cat sleeps.", dimensions=4).data[0].embedding
got["models"] = sorted(each.id for each in client.models.list())
got["model"] = client.models.retrieve("team/embeddings").id
for name, wrong in [("missing", {"model": "nope", "input": "x"}), ("task", {"model": "sentiment", "input": "x"})]:
    try:
        client.embeddings.create(**wrong)
    except openai.APIStatusError as error:
        got[name] = [type(error).__name__, error.status_code, error.code]
try:
    openai.OpenAI(base_url=sys.argv[1], api_key="sk-wrong", max_retries=0).models.list()
except openai.APIStatusError as error:
    got["wrong key"] = [type(error).__name__, error.status_code, error.code]
print(json.dumps(got))
