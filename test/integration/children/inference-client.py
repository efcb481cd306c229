"""Uses huggingface_hub.InferenceClient as its users do. Arguments: base URL, key. Prints what it got as JSON."""

import json
import sys

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

base, key = sys.argv[1:]
of = lambda name: InferenceClient(model=f"{base}/models/{name}", token=key)
plain = lambda element: {name: value for name, value in vars(element).items() if value is not None}
got = {}

got["text-classification"] = [plain(e) for e in of("sentiment").text_classification("Happy coding !!!")]
got["top_k"] = len(of("sentiment").text_classification("Happy coding !!!", top_k=2))
got["token-classification"] = [plain(e) for e in of("ner").token_classification("Ada Lovelace lived in London.")]
answer = of("qa").question_answering(question="Who wrote it?", context="It was Ada who wrote it.")
got["question-answering"] = plain(answer)
got["fill-mask"] = [plain(e) for e in of("fill-mask").fill_mask("the new [MASK] won", top_k=2)]
labels = ["sports", "politics", "science"]
zero = of("zero-shot").zero_shot_classification("A match was won.", labels, multi_label=True)
got["zero-shot-classification"] = [plain(e) for e in zero]
got["feature-extraction"] = of("embeddings").feature_extraction("A cat sleeps.", normalize=True, truncate=True).tolist()
got["tokens"] = list(of("features").feature_extraction("A cat sleeps.").shape)
got["sentence-similarity"] = of("similarity").sentence_similarity("A cat sleeps.", ["A cat naps.", "A dog barks."])
try:
    of("nope").fill_mask("[MASK]")
except HfHubHTTPError as error:
    got["missing"] = error.response.status_code
print(json.dumps(got))
