"""Controls for what happens in time: the observations of a hidden chain, a machine that a transformer steps, a cone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnt.figures import charts, sequences
from bnt.figures.picture import Picture
from bnt.graph.networks import chain
from bnt.reading.diagnostics import belief_changes
from bnt.sequences.hmm import HMM
from bnt.sequences.turing import MACHINES, Configuration, MachineModel, compile_machine, start_configuration
from bnt.transformer.activations import activate
from bnt.transformer.blocks import FFN
from bnt.transformer.forward import Trace, forward
from bnt.widgets.explorer import NOTHING, Explorer, buttons, dial, slider

STEPS = 12  # that the machine explorer shows
TAPES = ("1011", "111", "000", "0110")
EDGES = ("a blank cell", "a wall")  # what is on the left of the first digit


# --- a hidden chain ---------------------------------------------------------------------------------------------------


def timeline_explorer(hmm: HMM, observations: Sequence[str]) -> Explorer:
    """One row of buttons per time: what was seen. Filtered, smoothed and best path follow."""
    controls = {f"y{t}": buttons(f"y{t}", [NOTHING, *hmm.symbols]) for t in range(1, len(observations) + 1)}
    for control, symbol in zip(controls.values(), observations, strict=True):
        control.value = symbol
    return Explorer(lambda **seen: timeline_picture(hmm, list(seen.values())), controls)


def timeline_picture(hmm: HMM, chosen: Sequence[str]) -> Picture:
    """The timeline of these observations, NOTHING where there was none."""
    return sequences.timeline(hmm, [None if symbol == NOTHING else symbol for symbol in chosen])


# --- a Turing machine -------------------------------------------------------------------------------------------------


def machine_explorer() -> Explorer:
    """A machine, its tape, what is left of the tape, and how many layers have run."""
    controls = {
        "name": buttons("machine", list(MACHINES)),
        "digits": buttons("tape", TAPES),
        "edge": buttons("left of it", EDGES),
        "layers": slider("layers", STEPS, 6),
    }
    return Explorer(machine_picture, controls)


def machine_picture(name: str, digits: str, edge: str, layers: int) -> Picture:
    """What the residual stream holds after 0, 1, ..., ``layers`` layers, and the FFN unit that fires next."""
    model, trace = run_machine(name, digits, edge, layers + 1)
    run = [model.configuration(trace.after_layer(layer)) for layer in range(layers + 1)]
    entry = firing_entry(model, trace, layers)
    note = "no unit fires: nothing changes any more"
    if entry is not None:
        written, move, state = model.machine.table[entry]
        note = f"the unit that fires next: {entry[0]} {entry[1]} → {written} {move} {state}"
    title = f"{name}: {digits} behind {edge}, after layer {layers}"
    return sequences.tape_run(run, room=STEPS + 1, note=note, title=title)


def run_machine(name: str, digits: str, edge: str, layers: int) -> tuple[MachineModel, Trace]:
    """The transformer of a machine on this tape. At "a wall" the first digit's left neighbour is its own cell."""
    machine = MACHINES[name]
    model = compile_machine(machine, bits=4)
    if edge == EDGES[0]:
        tokens = model.tokens(start_configuration(machine, digits))
    else:
        tokens = model.tokens(Configuration(digits + machine.blank, 0, machine.start))
        tokens[0, model.layout.column("left")] = tokens[0, model.layout.column("here")]
    return model, forward(tokens, model.weights(layers))


def firing_entry(model: MachineModel, trace: Trace, layer: int) -> tuple[str, str] | None:
    """The table entry whose unit is 1 in ``layer`` (0 = the first), read from the activations; None: all are 0."""
    decide = model.layer[1]
    assert isinstance(decide, FFN)
    read = trace.residual[layer][1][-2]  # the control token after the look-up
    hidden = activate(read @ decide.W_in + decide.b_in, decide.activation, decide.beta)
    fires = np.flatnonzero(hidden[: len(model.machine.table)])
    return list(model.machine.table)[int(fires[0])] if len(fires) else None


# --- the reach of evidence --------------------------------------------------------------------------------------------

SIZE = 9


def cone_explorer() -> Explorer:
    """Where the evidence enters, and the coupling: which beliefs have changed after each layer."""
    return Explorer(
        cone_picture, {"source": slider("evidence on x", SIZE - 1), "coupling": dial("coupling", 0.0, 3.0, 0.25, 1.0)}
    )


def cone_picture(source: int, coupling: float) -> Picture:
    """The cone of evidence at ``source``: a belief at distance r may change from layer r + 1 on."""
    changes = belief_changes(chain(SIZE, coupling=coupling), f"x{source}", SIZE)
    names = [f"x{i}" for i in range(len(changes))]
    reach = {name: abs(i - source) + 1 for i, name in enumerate(names)}
    layers = range(1, changes.shape[1] + 1)
    title = f"evidence on x{source} changes, coupling {coupling:g}"
    return charts.cone(dict(zip(names, changes, strict=True)), layers, reach=reach, title=title)
