"""Every explorer is ``Explorer(picture function, controls)``, and the controls are these.

The page shows them itself (explorer.js): Tab reaches them, arrow keys choose a button or move a slider. A move is
answered from frames that came with the output, and else by the kernel, which draws one picture at a time. Once a move
is over the output is written anew, so a saved notebook shows the picture that was last seen. The objects that hold the
values are those of ipywidgets, and may be set from Python. No dropdowns: JupyterLab takes the arrow keys from them.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets

from bnt.figures.picture import Picture, as_html, own_style
from bnt.widgets.frames import Frame, State, draw_frame, key_of, shipped
from bnt.widgets.live import Line, alive

NOTHING = "–"  # the choice "not observed"


class Scale(NamedTuple):
    """The values of one control, in order, and what the page calls them."""

    label: str
    kind: str  # "buttons" or "slider"
    texts: list[str]
    values: list[Any]

    @classmethod
    def of(cls, control: Any) -> Scale:
        """The scale of a control of ipywidgets: buttons, a slider over numbers, or a slider over a list."""
        kind = "buttons" if isinstance(control, ipywidgets.ToggleButtons) else "slider"
        if hasattr(control, "options"):
            pairs = [option if isinstance(option, tuple) else (str(option), option) for option in control.options]
            return cls(control.description, kind, [text for text, _ in pairs], [value for _, value in pairs])
        count = round((control.max - control.min) / control.step) + 1
        if isinstance(control.step, int):
            whole = [control.min + i * control.step for i in range(count)]
            return cls(control.description, kind, [str(value) for value in whole], whole)
        digits = next(d for d in range(10) if math.isclose(round(control.step, d), control.step, rel_tol=1e-9))
        reals = [round(control.min + i * control.step, 9) for i in range(count)]
        return cls(control.description, kind, [f"{value:.{digits}f}" for value in reals], reals)

    def find(self, value: Any) -> int:
        """The place of a value; of a real number, the nearest."""
        if isinstance(value, float):
            return min(range(len(self.values)), key=lambda i: abs(self.values[i] - value))
        return self.values.index(value)


class Explorer:
    """Controls above the picture that ``draw(**{name: value of control})`` returns; an error shows as a sentence."""

    def __init__(self, draw: Callable[..., Picture], controls: Mapping[str, ipywidgets.DOMWidget]):
        self.draw = draw
        self.controls = dict(controls)
        self.scales = {name: Scale.of(control) for name, control in self.controls.items()}
        self.frames: dict[State, Frame] = {}
        self.line: Line | None = None
        self._handle: Any = None

    def picture(self) -> Picture:
        """The picture for the present values of the controls."""
        with own_style():
            return self.draw(**{name: control.value for name, control in self.controls.items()})

    @property
    def at(self) -> State:
        """Which of its values each control has."""
        return tuple(scale.find(self.controls[name].value) for name, scale in self.scales.items())

    def frame(self, at: State | None = None) -> Frame:
        """The frame of a state, drawn at most once; of an error, each time. None: the present state."""
        at = self.at if at is None else at
        if at not in self.frames:
            values = {name: scale.values[i] for (name, scale), i in zip(self.scales.items(), at, strict=True)}
            frame = draw_frame(self.draw, values)
            if "error" in frame:
                return frame
            self.frames[at] = frame
        return self.frames[at]

    @property
    def key(self) -> str | None:
        """Under which the frames ship, see frames.py."""
        return key_of(self.draw, self._texts())

    def packed(self) -> bytes | None:
        """The frames that ship for it, if any."""
        return shipped(self.draw, self._texts())

    def _texts(self) -> dict[str, list[str]]:
        return {name: scale.texts for name, scale in self.scales.items()}

    def shown(self) -> str:
        """HTML without scripts: the present picture and its table, or the sentence in its place."""
        frame = self.frame()
        printed = f"<pre>{html.escape(frame['printed'])}</pre>" if "printed" in frame else ""
        if "error" in frame:
            return f"<p role='alert'>{html.escape(frame['error'])}</p>{printed}"
        return as_html(frame["svg"], frame["alt"], frame["width"], frame["header"], frame["rows"]) + printed

    def html(self) -> str:
        """The explorer, alive, over its still picture."""
        if self.line is None:
            self.line = Line(self.hear)
        packed = self.packed()
        spec = {
            "channel": self.line.channel,
            "controls": [{"label": s.label, "kind": s.kind, "texts": s.texts} for s in self.scales.values()],
            "at": list(self.at),
            "frame": self.frame(),
            "packed": base64.b64encode(packed).decode() if packed else None,
        }
        return alive(self.line.channel, self.shown(), "mountExplorer", spec)

    def hear(self, message: dict[str, Any]) -> None:
        """What the page says: that it is there; that it wants a frame; that its controls have come to rest."""
        assert self.line is not None
        if message["type"] == "hello":
            self.line.send({"type": "ready"})
        elif message["type"] == "draw" and self._is_state(message["at"]):
            at = tuple(message["at"])
            try:
                frame = self.frame(at)
            except KeyboardInterrupt:  # the page waits for an answer, and asks for nothing else until it comes
                frame = {"error": "Interrupted. To have this picture drawn, move away from it and back."}
            self.line.send({"type": "frame", "at": list(at), "frame": frame})
        elif message["type"] == "rest" and self._is_state(message["at"]):
            for (name, scale), i in zip(self.scales.items(), message["at"], strict=True):
                self.controls[name].value = scale.values[i]
            if self._handle is not None:
                self._handle.update(self._repr_mimebundle_(), raw=True)

    def _is_state(self, at: Any) -> bool:
        sizes = [len(scale.values) for scale in self.scales.values()]
        return (
            isinstance(at, list)
            and len(at) == len(sizes)
            and all(isinstance(i, int) and 0 <= i < size for i, size in zip(at, sizes, strict=True))
        )

    def _ipython_display_(self) -> None:
        from IPython.display import display

        self._handle = display(self._repr_mimebundle_(), raw=True, display_id=True)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        frame = self.frame()
        return {"text/html": self.html(), "text/plain": frame.get("alt") or frame["error"]}


def slider(label: str, most: int, value: int = 0) -> ipywidgets.IntSlider:
    """A slider over 0, 1, ..., most; arrow keys move it by one."""
    return ipywidgets.IntSlider(value, 0, most, description=label)


def dial(label: str, low: float, high: float, step: float, value: float) -> ipywidgets.FloatSlider:
    """A slider over real numbers; arrow keys move it by one step."""
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=label)


def buttons(label: str, options: Sequence[str]) -> ipywidgets.ToggleButtons:
    """One button per option, in a row; Tab reaches the row, arrow keys choose."""
    return ipywidgets.ToggleButtons(options=list(options), description=label)
