"""Beliefs by name: unknown names are told apart, and nothing is compared that cannot be."""

import copy
import json

import numpy as np
import pytest

from bnt import Beliefs, Factor, FactorGraph, ModelError, UnknownStateError, UnknownVariableError, Variable

RAIN, WET = Variable("rain", ("no", "yes")), Variable("wet", ("dry", "damp", "wet"))
GRAPH = FactorGraph([RAIN, WET], [Factor((RAIN,), [1, 3])])
BELIEFS = Beliefs(GRAPH, np.array([0.25, 0.75, 0.5, 0.25, 0.25]))


def test_one_variable_reads_as_a_dict():
    of_rain = BELIEFS["rain"]
    assert of_rain == {"no": 0.25, "yes": 0.75}
    assert repr(of_rain) == "{'no': 0.25, 'yes': 0.75}"
    assert json.loads(json.dumps(of_rain)) == copy.copy(of_rain) == of_rain


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UnknownVariableError, match=r"'rian' is no variable.*did you mean 'rain'"):
        BELIEFS["rian"]
    with pytest.raises(UnknownStateError, match="'Yes' is no state of variable 'rain'; did you mean 'yes'"):
        BELIEFS["rain"]["Yes"]
    assert BELIEFS["rain"].get("Yes") is None


def test_distance_is_between_beliefs_about_the_same_variables():
    same = FactorGraph([RAIN, WET], [])
    assert BELIEFS.distance(Beliefs(same, np.array([0.5, 0.5, 0.5, 0.25, 0.25]))) == 0.25
    turned = FactorGraph([WET, RAIN], [])  # as many numbers, of other things
    with pytest.raises(ModelError, match="about the same variables"):
        BELIEFS.distance(Beliefs(turned, BELIEFS.flat.copy()))
