"""What learners move: sliders and buttons around the pictures of figures/, and predictions that they commit.

Equation: (none: a widget asks the library and draws).
Read first: explorer.py (what a widget holds), then explorer.js (its controls as a browser and a screen reader meet
them; shared lines in live.js). The name of a control is the label that its widget gives to slider, dial or buttons;
the words of every step: Scale in explorer.py. Sliders of their own: hero.js, guess.js.
frames.py: pictures drawn ahead, which ship in bnt/data/frames; experiments/widget_frames.py draws them.
May import: all rooms up to figures.

``from bnt import widgets`` and then ``widgets.evidence_panel(...)``: each name is loaded at its first use. For every
explorer there is the pure function that draws its picture.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "explorer": ("Explorer", "slider", "dial", "buttons"),
    "prediction": ("guess",),
    "record": ("guess_record",),
    "hero": ("one_clock",),
    "networks": (
        "evidence_panel",
        "evidence_picture",
        "round_slider",
        "round_picture",
        "layer_slider",
        "layer_picture",
        "stream_slider",
        "stream_picture",
        "sublayer_slider",
        "growing_tree_slider",
        "damping_explorer",
        "damping_picture",
        "loopy_panel",
        "loopy_picture",
    ),
    "attention": (
        "photo_explorer",
        "photo_picture",
        "routing_explorer",
        "routing_picture",
        "update_explorer",
        "update_picture",
        "power_explorer",
        "power_picture",
        "gate_explorer",
        "gate_picture",
    ),
    "algorithms": (
        "winner_explorer",
        "winner_picture",
        "cavity_explorer",
        "cavity_picture",
        "experts_explorer",
        "experts_picture",
        "image_explorer",
        "image_picture",
    ),
    "knowledge": (
        "explanation_explorer",
        "explanation_picture",
        "witness_explorer",
        "witness_picture",
        "between_explorer",
        "between_picture",
    ),
    "sequences": (
        "timeline_explorer",
        "timeline_picture",
        "machine_explorer",
        "machine_picture",
        "cone_explorer",
        "cone_picture",
    ),
    "readings": (
        "head_explorer",
        "head_picture",
        "shift_explorer",
        "shift_picture",
        "design_explorer",
        "design_picture",
    ),
    "worlds": (
        "room_explorer",
        "room_picture",
        "goal_explorer",
        "goal_picture",
        "ball_explorer",
        "ball_picture",
        "temperature_explorer",
        "temperature_picture",
    ),
    "learning": (
        "descent_explorer",
        "descent_picture",
        "tunnel_explorer",
        "question_picture",
        "triangle_explorer",
        "triangle_picture",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(_MODULE_OF)}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
