"""Holds docs/grafana.json to Grafana's schema, and its queries to the metrics that there are: names and labels."""

import json
import re
import sys

import promql_parser
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

# What Prometheus adds to the labels of what it scrapes.
SCRAPED = {"instance", "job"}


def lost(given, kept, path=""):
    """What of a dashboard the schema's own types do not have."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from lost(value, kept[name], f"{path}/{name}") if name in kept else [f"{path}/{name}"]
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, (one, other) in enumerate(zip(given, kept)):
            yield from lost(one, other, f"{path}[{index}]")
    elif given != kept:
        yield path


def selectors(text):
    """Metrics of a query with the labels that it names."""

    def walk(node):
        if isinstance(node, promql_parser.VectorSelector):
            yield node.name, {matcher.name for matcher in node.matchers.matchers}
        for name in ("expr", "lhs", "rhs", "vs", "vector_selector", "param"):
            child = getattr(node, name, None)
            if hasattr(child, "prettify"):
                yield from walk(child)
        for child in getattr(node, "args", None) or []:
            yield from walk(child)

    return list(walk(promql_parser.parse(re.sub(r"\$__rate_interval", "5m", text))))


def main(dashboard, metrics):
    plugins.register_default_plugins()
    given = json.load(open(dashboard))
    kept = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(given)))
    wrong = [f"not in the schema: {path}" for path in lost(given, kept)]
    labels = {}
    for family in text_string_to_metric_families(open(metrics).read()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    queries = [target["expr"] for panel in given["panels"] for target in panel.get("targets", [])]
    for variable in given["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"] if variable["type"] == "query" else "")
        queries += [f"sum by ({found.group(2)}) ({found.group(1)})"] if found else []
    for query in queries:
        found = selectors(query)
        wrong += [] if found else [f"no metric in {query}"]
        grouped = {name for words in re.findall(r"\b(?:by|without) \(([^)]*)\)", query) for name in words.split(", ")} - {"le"}
        for metric, named in found:
            if metric not in labels:
                wrong.append(f"{metric}: no such metric, in {query}")
            elif missing := (named | grouped) - labels[metric] - SCRAPED:
                wrong.append(f"{metric} has no label {missing}, in {query}")
    ids = [panel["id"] for panel in given["panels"]]
    wrong += [] if len(set(ids)) == len(ids) else ["two panels have one id"]
    print("\n".join(wrong))
    return len(queries) if not wrong else 0


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) > 20 else 1)
