"""Mutations of the ledger rows of learned inference: (row, module, name, what it is replaced with)."""

import numpy as np

from bnt.learned import efficiency as sample_efficiency
from bnt.learned import insides as inside_learned
from bnt.learned import machines as learned_machines
from bnt.learned import reach as learned_trees
from bnt.learned import recipes as learned_inference
from bnt.learned import tasks as inference_tasks
from bnt.learned import updates as learned_updates
from bnt.training.parameters import initialise


def off_by(shift, _answers=learned_inference.answers):
    return lambda parameters, problems: np.clip(_answers(parameters, problems) + shift, 0, 1)


def local(parameters, problems):
    """Answers from a token's own field alone."""
    return 1 / (1 + np.exp(-problems.inputs[..., :1]))


def shifted_logit(p, _logit=learned_updates.logit):
    return _logit(p) + 0.1


def shifted_targets(dates, _targets=inference_tasks.published_dating_targets):
    return _targets(dates) + 0.01


def lucky(config=None, seed=0, _learn=learned_updates.learn_routing):
    """Training that never gets stuck."""
    return _learn(config, 0)


def weights_of_bp(name):
    """The architecture of the recipe with the weights of BP: the stream adds, the FFN is silent."""
    model = initialise(learned_inference.RECIPES[name].model, 0)
    model.flat[...] = 0
    model.views["read_in"][:, 0] = model.views["read_out"][0] = 1.0
    return model


def wrong_classes(parameters, inputs, _predict=learned_machines.predict):
    return np.roll(_predict(parameters, inputs), 1, axis=-1)


def on_edges_only(parameters, trees, _routing=inside_learned.routing):
    found = _routing(parameters, trees)
    return found._replace(share=np.broadcast_to([0.0, 1.0, 0.0], found.share.shape))


MUTATIONS = [
    ("two-variables-learned", learned_inference, "answers", off_by(0.01)),
    ("two-variables-size", learned_inference, "published_parameters", lambda: 5_000),
    ("orientation-helps", learned_inference, "answers", off_by(0.001)),
    ("two-variables-need-attention", learned_inference, "answers", off_by(0.01)),
    (
        "published-chain-targets",
        inference_tasks,
        "published_chain_targets",
        lambda chains: inference_tasks.chain(chains).targets[..., 0],
    ),
    ("published-dating-targets", inference_tasks, "published_dating_targets", shifted_targets),
    ("true-posteriors-learned", learned_inference, "answers", off_by(0.01)),
    ("descent-finds-the-update", learned_updates, "logit", shifted_logit),
    ("descent-finds-the-routing", learned_updates, "learn_routing", lucky),
    ("right-answers-force-bp-weights", learned_inference, "shipped_parameters", weights_of_bp),
    ("machines-learned", learned_machines, "predict", wrong_classes),
    ("machines-generalise", learned_machines, "accuracy", lambda *given: 1.0),
    ("learned-calibration", learned_inference, "answers", off_by(0.01)),
    ("depth-limits-reach", learned_trees, "answers", local),
    ("depth-buys-accuracy", learned_trees, "answers", local),
    ("trained-heads-are-bp-routing", inside_learned, "routing", on_edges_only),
    ("prior-structure-saves-data", sample_efficiency, "SHARPNESS", 1.0),
]
