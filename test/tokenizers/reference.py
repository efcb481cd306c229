"""Tokenizes with PyPI `tokenizers`: reads JSON lines, writes JSON lines.

The first line is the text of a tokenizer.json; each further line is a list of texts, or of pairs of texts. The answer to
such a line is a list of [ids, type ids, offsets in code points, ids without special tokens]."""
import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_str(json.loads(sys.stdin.readline()))
tokenizer.no_truncation()
tokenizer.no_padding()
for line in sys.stdin:
    answers = []
    for one in json.loads(line):
        text, pair = one if isinstance(one, list) else (one, None)
        whole = tokenizer.encode(text, pair)
        bare = tokenizer.encode(text, add_special_tokens=False)
        answers.append([whole.ids, whole.type_ids, bare.offsets, bare.ids])
    print(json.dumps(answers), flush=True)
