"""The supervisor graph: who works on a target, in what order.

`build()` is the graph without a checkpointer; commands compile it with theirs. Its context is Means, its state Inquiry.
"""

from typing import Any

from langgraph.graph import START, StateGraph

from graphs import nodes
from graphs.explaining import explainer, output_side, scoring
from graphs.state import Inquiry, Means
from graphs.steps import committed, routed

WORKERS = ("hypothesis", "prompt_generator", "experiment", "prune_augment", "sae_optimizer")


def build() -> "StateGraph[Inquiry, Means, Any, Any]":
    """The graph: survey first, then the supervisor and whom it sends, until the explainer has spoken; then the end."""
    graph = StateGraph(Inquiry, context_schema=Means)
    graph.add_node("survey", committed("survey", nodes.survey))
    graph.add_node("supervisor", routed(nodes.supervisor), destinations=(*WORKERS, "explainer"))
    for name in WORKERS:
        graph.add_node(name, committed(name, getattr(nodes, name)))
        graph.add_edge(name, "supervisor")
    graph.add_node("explainer", committed("explainer", explainer))
    graph.add_edge(START, "survey")
    graph.add_edge("survey", "supervisor")
    graph.add_node("scoring", committed("scoring", scoring))
    graph.add_edge("explainer", "scoring")
    graph.add_node("output_side", committed("output_side", output_side))
    graph.add_edge("scoring", "output_side")
    graph.set_finish_point("output_side")
    return graph
