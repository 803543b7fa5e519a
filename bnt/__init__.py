"""Transformers are Bayesian networks: build one, run belief propagation, compile it, verify it.

Each public name loads its module at first use, so that ``import bnt`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from bnt.compiler.compile import CompiledModel, compile_graph
    from bnt.compiler.verify import Report, verify_model
    from bnt.designs.design import Design, design
    from bnt.errors import (
        BntError,
        EvidenceError,
        FormatError,
        InconsistentEvidenceError,
        ModelError,
        TooLargeError,
        UnknownConceptError,
        UnknownStateError,
        UnknownVariableError,
        UnsupportedModelError,
    )
    from bnt.generation.goals import ConditionedChain, conditioned_chain, h_transform
    from bnt.generation.sampling import Samples, sample, sampling_law
    from bnt.generation.temperature import TemperatureLaw, temperature_law
    from bnt.graph.beliefs import Beliefs
    from bnt.graph.factor_graph import Factor, FactorGraph, Variable
    from bnt.graph.leaves import LeafFactor, graph_of_leaves, hidden_leaves, leaves_of, tree_cpd
    from bnt.graph.networks import load_graph, load_network
    from bnt.inference.batch import BatchResult, run_bp_batch
    from bnt.inference.belief_propagation import run_bp
    from bnt.inference.exact import ExactResult, exact_marginals
    from bnt.inference.log_z import LogZBounds, log_z_bounds, posterior_bounds
    from bnt.inference.posterior import Posterior, posterior
    from bnt.inference.result import BPResult
    from bnt.inference.variational import MeanFieldResult, TRWResult, run_mean_field, run_trw
    from bnt.knowledge.base import KnowledgeBase, load_knowledge, parse_knowledge
    from bnt.knowledge.calibration import Calibration, calibration_of
    from bnt.knowledge.explanations import Explanation, explain
    from bnt.knowledge.grounding import Grounding
    from bnt.knowledge.queries import Answer, ask, ask_all, most_probable_explanation, value_of_information, what_if
    from bnt.reading.diagnostics import diagnose
    from bnt.reading.implicit_graph import ImplicitGraph, extract_graph, posterior_mean
    from bnt.reading.mixtures import GateReading, Truncation, gate_of_mixture, read_gate, truncation
    from bnt.reading.recovery import recover_graph
    from bnt.reading.trained_heads import HeadReadings, read_heads
    from bnt.records.record import Record, read_record
    from bnt.records.replay import replay
    from bnt.sequences.dynamic import DynamicNetwork, SliceBeliefs, filter_slices, previous, smooth_slices
    from bnt.sequences.filtering import compile_doubling_filter, compile_filter
    from bnt.sequences.hmm import HMM, filter_states, log_likelihood, predict_states, smooth_states, viterbi
    from bnt.sequences.turing import TuringMachine, compile_machine
    from bnt.training.gradients import predict
    from bnt.training.parameters import Parameters, TransformerConfig, initialise, read_in, read_out, to_weights
    from bnt.training.train import Run, load_parameters, save_parameters, train, train_lbfgs
    from bnt.transformer.blocks import FFN, Attention, Gate, Head, MixtureFFN, Weights
    from bnt.transformer.encoders import Encoder, load_encoder
    from bnt.transformer.forward import Trace, forward
    from bnt.transformer.rotary import OffsetWeights, rotary_frequencies, rotary_offset

_HOME = {
    "inference.batch": ("BatchResult", "run_bp_batch"),
    "inference.belief_propagation": ("run_bp",),
    "inference.result": ("BPResult",),
    "graph.beliefs": ("Beliefs",),
    "knowledge.calibration": ("Calibration", "calibration_of"),
    "compiler.compile": ("CompiledModel", "compile_graph"),
    "reading.diagnostics": ("diagnose",),
    "designs.design": ("Design", "design"),
    "errors": (
        "BntError",
        "EvidenceError",
        "FormatError",
        "InconsistentEvidenceError",
        "ModelError",
        "TooLargeError",
        "UnknownConceptError",
        "UnknownStateError",
        "UnknownVariableError",
        "UnsupportedModelError",
    ),
    "generation.goals": ("ConditionedChain", "conditioned_chain", "h_transform"),
    "generation.sampling": ("Samples", "sample", "sampling_law"),
    "generation.temperature": ("TemperatureLaw", "temperature_law"),
    "inference.exact": ("ExactResult", "exact_marginals"),
    "inference.log_z": ("LogZBounds", "log_z_bounds", "posterior_bounds"),
    "inference.posterior": ("Posterior", "posterior"),
    "inference.variational": ("MeanFieldResult", "TRWResult", "run_mean_field", "run_trw"),
    "knowledge.explanations": ("Explanation", "explain"),
    "graph.factor_graph": ("Factor", "FactorGraph", "Variable"),
    "graph.leaves": ("LeafFactor", "graph_of_leaves", "hidden_leaves", "leaves_of", "tree_cpd"),
    "sequences.dynamic": ("DynamicNetwork", "SliceBeliefs", "filter_slices", "previous", "smooth_slices"),
    "sequences.filtering": ("compile_doubling_filter", "compile_filter"),
    "knowledge.grounding": ("Grounding",),
    "knowledge.base": ("KnowledgeBase", "load_knowledge", "parse_knowledge"),
    "reading.implicit_graph": ("ImplicitGraph", "extract_graph", "posterior_mean"),
    "graph.networks": ("load_graph", "load_network"),
    "reading.mixtures": ("GateReading", "Truncation", "gate_of_mixture", "read_gate", "truncation"),
    "reading.recovery": ("recover_graph",),
    "reading.trained_heads": ("HeadReadings", "read_heads"),
    "records.record": ("Record", "read_record"),
    "records.replay": ("replay",),
    "knowledge.queries": ("Answer", "ask", "ask_all", "most_probable_explanation", "value_of_information", "what_if"),
    "sequences.hmm": ("HMM", "filter_states", "log_likelihood", "predict_states", "smooth_states", "viterbi"),
    "training.gradients": ("predict",),
    "training.parameters": (
        "Parameters",
        "TransformerConfig",
        "initialise",
        "read_in",
        "read_out",
        "to_weights",
    ),
    "training.train": ("Run", "load_parameters", "save_parameters", "train", "train_lbfgs"),
    "transformer.blocks": ("FFN", "Attention", "Gate", "Head", "MixtureFFN", "Weights"),
    "transformer.encoders": ("Encoder", "load_encoder"),
    "transformer.forward": ("Trace", "forward"),
    "transformer.rotary": ("OffsetWeights", "rotary_frequencies", "rotary_offset"),
    "sequences.turing": ("TuringMachine", "compile_machine"),
    "compiler.verify": ("Report", "verify_model"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bnt' has no attribute {name!r}; public names: {', '.join(_MODULE_OF)}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
