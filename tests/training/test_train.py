"""Training: the optimiser against its loops, runs that are stopped and resumed, files, and errors."""

import json
import zipfile

import numpy as np
import pytest

from bnt import initialise, load_parameters, predict, save_parameters, train, train_lbfgs
from bnt.errors import BntError, FormatError
from bnt.training.checkpoints import load_facts, read_arrays
from bnt.training.losses import binary_cross_entropy, cross_entropy, squared_error
from bnt.training.parameters import TransformerConfig
from bnt.training.train import Adam, learning_rate_at, matrices_decay
from tests import naive

CONFIG = TransformerConfig(inputs=2, width=6, heads=2, d_k=3, d_ff=8, outputs=1, activation="gelu", layer_norm=True)


def batches(rng):
    """Is the sum of all inputs of the sequence positive? Said by every token."""
    inputs = rng.normal(0, 1, (16, 3, 2))
    answer = inputs.sum(axis=(1, 2)) > 0
    return inputs, np.broadcast_to(answer[:, None, None], (16, 3, 1)), None


def quick(parameters, **changed):
    options = {"steps": 30, "learning_rate": 3e-3, "warm_up": 5, "progress": False} | changed
    return train(parameters, options.pop("batches", batches), options.pop("loss", binary_cross_entropy), **options)


class Stopped(Exception):
    """Stands for a process that is killed."""


def stops_after(count):
    calls = iter(range(count))

    def drawn(rng):
        if next(calls, None) is None:
            raise Stopped
        return batches(rng)

    return drawn


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_equals_its_loops(clip, decay):
    parameters = initialise(CONFIG, 0)
    start, rng = parameters.flat.copy(), np.random.default_rng(0)
    gradients = [rng.normal(0, 0.1 * k, start.size) for k in range(7)]
    rates = [learning_rate_at(k, 7, 0.01, "cosine", 2) for k in range(7)]
    adam = Adam(parameters.flat, matrices_decay(parameters, decay), clip)
    for gradient, rate in zip(gradients, rates, strict=True):
        adam.step(gradient.copy(), rate)
    matrix = np.concatenate([np.full(block.size, block.ndim == 2) for block in parameters.blocks.values()])
    slow = naive.adam(start, gradients, rates, matrix, decay, clip)
    assert np.abs(parameters.flat - slow).max() <= 1e-14


def test_learning_rates():
    rates = [learning_rate_at(step, 12, 2.0, "cosine", 4) for step in range(12)]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[8] == pytest.approx(1.0, abs=1e-15)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.1
    assert [learning_rate_at(step, 12, 2.0, "constant", 2) for step in (0, 1, 2, 11)] == [1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_learns_and_repeats(dtype):
    start = initialise(CONFIG, 0, dtype)
    before = start.flat.copy()
    run = quick(start, steps=300, learning_rate=1e-2, validate=lambda p: {"spread": p.flat.std()}, validate_every=100)
    assert run.curve["loss"][:20].mean() > 0.5
    assert run.curve["loss"][-20:].mean() < 0.15
    assert run.parameters.flat.dtype == dtype
    np.testing.assert_array_equal(start.flat, before)
    np.testing.assert_array_equal(run.curve["step"], np.arange(300))
    np.testing.assert_array_equal(run.curve["validated_at"], [0, 100, 200, 300])
    assert run.curve["spread"][0] == before.std()
    assert run.curve["spread"][-1] == run.parameters.flat.std()
    assert "300 steps" in repr(run)
    again = quick(start, steps=300, learning_rate=1e-2)
    np.testing.assert_array_equal(again.parameters.flat, run.parameters.flat)
    other = quick(start, steps=300, learning_rate=1e-2, seed=1)
    assert (other.curve["loss"] != run.curve["loss"]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("killed_after", [7, 10, 25])
def test_resumed_run_is_the_run_that_was_never_stopped(tmp_path, dtype, killed_after):
    options = {"weight_decay": 0.1, "clip": 1.0, "validate": lambda p: float(p.flat[0]), "validate_every": 10}
    start = initialise(CONFIG, 0, dtype)
    whole = quick(start, **options)
    file = tmp_path / "run.npz"
    with pytest.raises(Stopped):
        quick(start, batches=stops_after(killed_after), checkpoint=file, checkpoint_every=5, **options)
    first_part = read_arrays(file)[1]["seconds"]
    calls = []
    counted = lambda rng: calls.append(1) or batches(rng)  # noqa: E731
    resumed = quick(start, batches=counted, checkpoint=file, checkpoint_every=5, **options)
    assert len(calls) == 30 - killed_after // 5 * 5
    np.testing.assert_array_equal(resumed.parameters.flat, whole.parameters.flat)
    assert resumed.parameters.flat.dtype == dtype
    assert resumed.curve.keys() == whole.curve.keys()
    for name, values in whole.curve.items():
        np.testing.assert_array_equal(resumed.curve[name], values)
    finished = quick(start, batches=stops_after(0), checkpoint=file, checkpoint_every=5, **options)
    np.testing.assert_array_equal(finished.parameters.flat, whole.parameters.flat)
    assert 0 < first_part < resumed.seconds
    assert first_part < finished.seconds
    np.testing.assert_array_equal(load_parameters(file).flat, whole.parameters.flat)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file, start = tmp_path / "run.npz", initialise(CONFIG, 0)
    quick(start, checkpoint=file)
    wider = TransformerConfig(inputs=2, width=7, heads=2, d_k=3, d_ff=8, outputs=1, activation="gelu", layer_norm=True)
    for other, changed, message in [
        (initialise(wider, 0), {}, "of another run, with config ="),
        (initialise(CONFIG, 0, np.float32), {}, "dtype = float64, not float32"),
        (initialise(CONFIG, 1), {}, "other starting parameters"),
        (start, {"seed": 1}, "seed = 0, not 1"),
        (start, {"steps": 40}, "steps = 30, not 40"),
        (start, {"learning_rate": 1e-3}, "learning_rate = 0.003, not 0.001"),
        (start, {"loss": squared_error}, "loss = binary_cross_entropy, not squared_error"),
    ]:
        with pytest.raises(BntError, match=message):
            quick(other, checkpoint=file, **changed)
    anew = quick(start, checkpoint=file, seed=1, resume=False)
    np.testing.assert_array_equal(load_parameters(file).flat, anew.parameters.flat)
    save_parameters(file, start)
    with pytest.raises(BntError, match="no state of a training"):
        quick(start, checkpoint=file)


def test_parameters_in_a_file(tmp_path):
    file, parameters = tmp_path / "model.npz", initialise(CONFIG, 0)
    save_parameters(file, parameters, seed=3, scores=[0.5, 0.25])
    loaded = load_parameters(file)
    assert loaded.config == parameters.config
    np.testing.assert_array_equal(loaded.flat, parameters.flat)
    assert load_facts(file) == {"seed": 3, "scores": [0.5, 0.25]}
    assert load_parameters(file, "float32").flat.dtype == np.float32
    save_parameters(file, parameters, precision="float32")
    np.testing.assert_array_equal(load_parameters(file).flat, parameters.flat.astype(np.float32))
    assert load_parameters(file, "float64").flat.dtype == np.float64
    assert load_facts(file) == {}
    with pytest.raises(BntError, match="precision must be one of float64, float32"):
        save_parameters(file, parameters, precision="float16")
    with pytest.raises(BntError, match=r"there is no folder .*nowhere to write model\.npz into"):
        save_parameters(tmp_path / "nowhere" / "model.npz", parameters)
    with pytest.raises(BntError, match="facts must be JSON values"):
        save_parameters(file, parameters, score=object())
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    file, parameters = tmp_path / "model.npz", initialise(CONFIG, 0)
    save_parameters(file, parameters, version=1)

    def half(handle, **arrays):
        handle.write(b"PK half a file")
        raise Stopped

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(Stopped):
        save_parameters(file, parameters, version=2)
    assert load_facts(file) == {"version": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


def test_files_that_are_none(tmp_path):
    with pytest.raises(BntError, match="there is no file"):
        load_parameters(tmp_path / "none.npz")
    text, cut, other = tmp_path / "text.npz", tmp_path / "cut.npz", tmp_path / "other.npz"
    text.write_text("hello")
    save_parameters(cut, initialise(CONFIG, 0))
    cut.write_bytes(cut.read_bytes()[:-100])
    np.savez(other, told=np.array(json.dumps({"config": {"width": 2}})), flat=np.zeros(3))
    for file in (text, cut, other):
        with pytest.raises(FormatError, match=file.name):
            load_parameters(file)
    assert zipfile.is_zipfile(other)


def test_lbfgs_finds_the_minimum_of_logistic_regression():
    """No layers: the read-in times the read-out is a linear map, and its best value on these targets is known."""
    config = TransformerConfig(inputs=3, width=4, d_ff=1, layers=0, attention=False, outputs=1)
    rng, known = np.random.default_rng(0), np.array([1.0, -2.0, 0.5])
    inputs = rng.normal(0, 1, (200, 2, 3))
    targets = 1 / (1 + np.exp(-(inputs @ known)[..., None] - 0.3))
    run = train_lbfgs(
        initialise(config, 0), inputs, targets, binary_cross_entropy, iterations=500, progress=False, validate=len_of
    )
    p = run.parameters.views
    assert np.abs((p["read_in"] @ p["read_out"])[:, 0] - known).max() <= 1e-6
    assert abs((p["read_in_bias"] @ p["read_out"] + p["read_out_bias"])[0] - 0.3) <= 1e-6
    assert (np.diff(run.curve["loss"]) <= 0).all()
    assert len(run.curve["loss"]) == run.steps < 500
    assert run.curve["validated_at"][-1] == run.steps


def len_of(parameters):
    return len(parameters.flat)


def test_lbfgs_beats_adam_on_one_small_batch():
    inputs, targets, mask = batches(np.random.default_rng(0))
    fixed = lambda rng: (inputs, targets * 0.8 + 0.1, mask)  # noqa: E731
    start = initialise(CONFIG, 0)
    adam = quick(start, batches=fixed, steps=200, learning_rate=1e-2, loss=squared_error)
    lbfgs = train_lbfgs(start, inputs, targets * 0.8 + 0.1, squared_error, iterations=200, progress=False)
    assert lbfgs.curve["loss"][-1] < adam.curve["loss"][-1] / 100
    assert np.abs(1 / (1 + np.exp(-predict(lbfgs.parameters, inputs))) - targets * 0.8 - 0.1).max() < 0.01


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "steps must be a whole number > 0, not 0"),
        ({"steps": 2.5}, "steps must be a whole number > 0"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0"),
        ({"warm_up": 31}, r"warm_up must be 0\.\.30 steps, not 31"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"clip": 0.0}, "clip must be > 0, or None"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more"),
        ({"checkpoint": "nowhere/run.npz"}, "there is no folder nowhere to keep the checkpoint in"),
        ({"validate_every": 0}, "validate_every must be"),
        ({"validate": lambda p: {"loss": 1.0}}, "must not return the names step, loss and validated_at"),
        (
            {"loss": lambda logits, targets, mask: (np.nan, logits)},
            "the loss is nan at step 0: lower the learning rate",
        ),
    ],
)
def test_bad_settings(changed, message):
    with pytest.raises(BntError, match=message):
        quick(initialise(CONFIG, 0), **changed)


def test_validation_keeps_its_names():
    names = iter(["a", "b"])
    with pytest.raises(BntError, match="the same names every time"):
        quick(initialise(CONFIG, 0), validate=lambda p: {next(names): 1.0}, validate_every=10)


def test_lbfgs_needs_float64():
    with pytest.raises(BntError, match="needs float64"):
        train_lbfgs(
            initialise(CONFIG, 0, "float32"), *batches(np.random.default_rng(0))[:2], cross_entropy, iterations=3
        )


def test_the_bar_is_shown_on_stderr_and_can_be_turned_off(capsys):
    quick(initialise(CONFIG, 0))
    assert capsys.readouterr() == ("", "")
    quick(initialise(CONFIG, 0), progress=True)
    shown = capsys.readouterr()
    assert "30/30" in shown.err
    assert shown.out == ""
