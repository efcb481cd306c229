"""huggingface_hub: every method of the tasks, with its parameters."""
import asyncio

from huggingface_hub import AsyncInferenceClient, InferenceClient
from recorder import CONTEXT, KEY, LABELS, LONG, MASK, MATCH, NER, QUESTION, SENTENCES, SOURCE, TEXT, TEXTS, URL, Recorder

# One client for each model, by its URL, or one base URL and the model of each call.
CUT = {"truncate": True, "truncation_direction": "left"}
QA = {"question": QUESTION, "context": CONTEXT}
QA_OPTIONS = {
    "align_to_words": False,
    "doc_stride": 2,
    "handle_impossible_answer": True,
    "max_answer_len": 3,
    "max_question_len": 32,
    "max_seq_len": 48,
    "top_k": 2,
}
CALLS = [
    ("feature_extraction", "embeddings", [TEXT], {}),
    ("feature_extraction(list)", "embeddings", [TEXTS], {}),
    ("feature_extraction(normalize, dimensions)", "embeddings", [TEXT], {"normalize": False, "dimensions": 8}),
    ("feature_extraction(truncate, truncation_direction)", "embeddings", [LONG], CUT),
    ("feature_extraction(prompt_name)", "embeddings", [TEXT], {"prompt_name": "query"}),
    ("feature_extraction(encoding_format float)", "embeddings", [TEXT], {"encoding_format": "float"}),
    ("feature_extraction of tokens", "features", [TEXT], {}),
    ("feature_extraction of tokens(truncate)", "features", [LONG], CUT),
    ("fill_mask", "fill-mask", [MASK], {}),
    ("fill_mask(top_k, targets)", "fill-mask", [MASK], {"top_k": 2, "targets": ["cat", "film", "it"]}),
    ("question_answering", "qa", [], QA),
    ("question_answering(all its options)", "qa", [], {**QA, **QA_OPTIONS}),
    ("sentence_similarity", "embeddings", [SOURCE, SENTENCES], {}),
    ("text_classification", "sentiment", [TEXT], {}),
    ("text_classification(top_k, function_to_apply)", "sentiment", [TEXT], {"top_k": 2, "function_to_apply": "none"}),
    ("token_classification", "ner", [NER], {}),
    (
        "token_classification(aggregation_strategy, ignore_labels, stride)",
        "ner",
        [NER],
        {"aggregation_strategy": "first", "ignore_labels": ["PER"], "stride": 4},
    ),
    ("zero_shot_classification", "zero-shot", [MATCH, LABELS], {}),
    (
        "zero_shot_classification(multi_label, hypothesis_template)",
        "zero-shot",
        [MATCH, LABELS],
        {"multi_label": True, "hypothesis_template": "It is about {}."},
    ),
]

record = Recorder()
for name, model, given, options in CALLS:
    method = name.split("(")[0].split(" ")[0]
    client = InferenceClient(model=f"{URL}/models/{model}", token=KEY)
    record(name, lambda: getattr(client, method)(*given, **options))
ENDPOINT = {"model": f"{URL}/tei/embeddings", "provider": "hf-inference", "token": KEY}
tei = InferenceClient(**ENDPOINT)
record("feature_extraction of an endpoint", lambda: tei.feature_extraction(TEXT, normalize=True))
record("get_endpoint_info", lambda: tei.get_endpoint_info()["served_model_name"])
record("health_check", lambda: tei.health_check())


async def main():
    for name, model, given, options in CALLS:
        method = name.split("(")[0].split(" ")[0]
        async with AsyncInferenceClient(model=f"{URL}/models/{model}", token=KEY) as client:
            await record.wait(f"async {name}", lambda: getattr(client, method)(*given, **options))
    async with AsyncInferenceClient(**ENDPOINT) as client:
        async def served():
            return (await client.get_endpoint_info())["served_model_name"]
        await record.wait("async get_endpoint_info", served)
        await record.wait("async health_check", client.health_check)


asyncio.run(main())
record.print("huggingface_hub")
