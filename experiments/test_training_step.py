"""torch, the peer of the benchmark of training, trains the same model from the same numbers: same losses."""

import numpy as np
import pytest

from benchmarks import training_step


@pytest.mark.parametrize("name", training_step.CASES)
def test_torch_trains_the_same_model(name, tmp_path):
    case = dict(np.load(training_step.case(tmp_path, name)).items())
    (run, ours), (_, theirs) = training_step.bnt_step(case), training_step.torch_step(case)
    np.testing.assert_allclose(ours(run()), theirs(None), rtol=1e-6 if name.endswith("float32") else 1e-13)
