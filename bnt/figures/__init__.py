"""Pictures for lessons: a figure, one sentence of alt text, and its numbers as a table.

Equation: (none: a picture shows what other rooms computed).
Read first: picture.py, then graphs.py (factor graphs, messages, streams). Beside it: growing.py, junction trees;
compiled.py, compiled layers; attention.py, attention and routing; readings.py, trained heads and designs; charts.py,
curves; clock.py, the hero.
May import: all rooms up to claims.

``from bnt import figures`` and then ``figures.curves(...)``: each name is loaded at its first use.
"""

from importlib import import_module
from inspect import isfunction
from typing import Any

_HOME = {
    "picture": ("Picture", "blank", "chart"),
    "results": ("plot",),
    "graphs": (
        "factor_graph",
        "network_panel",
        "beliefs_by_round",
        "error_by_round",
        "layers_against_rounds",
        "attention_pattern",
        "residual_stream",
        "token_names",
    ),
    "clock": ("one_clock",),
    "compiled": ("compiled_layer", "sublayer_strip", "attention_graph"),
    "growing": ("growing_tree",),
    "attention": ("alignment", "outline", "routing_plane", "implicit_tree", "spectrum"),
    "readings": ("head_squares", "construction_costs"),
    "charts": ("curves", "ruler", "cobweb", "cone", "errors_by_layer"),
    "knowledge": ("weights_of_evidence", "explanation_messages", "reliability", "rules"),
    "sequences": (
        "hidden_chain",
        "timeline",
        "memory",
        "decay",
        "tape_run",
        "room_maps",
        "video_strip",
        "samplers",
    ),
    "learning": (
        "learning_curves",
        "answers_against_truth",
        "heat_tables",
        "error_by_reach",
        "distance_to_bp",
        "entropy_collapse",
        "architectures",
        "probe_by_layer",
        "phase_change",
        "belief_triangles",
        "hot_then_cool",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(_MODULE_OF)}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    if isfunction(value):
        value = import_module(".picture", __name__).in_own_style(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
