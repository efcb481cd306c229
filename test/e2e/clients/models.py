"""What the programs of this folder share: arguments, the rows and texts they ask about, and what is right."""
import json
import os
import sys

import numpy

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "..", "fixtures")


def arguments():
    """The address of the server under test."""
    return sys.argv[1]


def iris():
    """150 rows, and the class of each by the second model."""
    with open(os.path.join(FIXTURES, "iris", "golden.json"), encoding="utf-8") as file:
        golden = json.load(file)
    rows = numpy.array(golden["data"], dtype=numpy.float32)
    return rows, numpy.array(golden["models"]["mymodel_v2"]["predict"], dtype=numpy.int64)


def sentences():
    """Texts, and the label of each by the second version of the sentiment model."""
    with open(os.path.join(FIXTURES, "sentiment", "v2", "golden.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    return [line["text"] for line in lines][:20], [line["label"] for line in lines][:20]


def check_labels(answers, labels):
    """Each answer is the JSON of the task's answer, as bytes."""
    assert len(answers) == len(labels), (len(answers), len(labels))
    for answer, label in zip(answers, labels):
        assert json.loads(answer)["label"] == label, (answer, label)


def states(index):
    """State and reason by model and version."""
    return {(one["name"], one["version"]): (one["state"], one.get("reason", "")) for one in index}
