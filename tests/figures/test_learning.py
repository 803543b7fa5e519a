"""Pictures of learned inference and of wind tunnels: numbers and words, on small tables."""

import numpy as np
import pytest

from bnt.figures import learning as figures
from bnt.wind_tunnels.tasks import Bijection


def test_learning_curves_say_where_each_line_ends() -> None:
    picture = figures.learning_curves(
        {"small": ([0, 10, 20], [0.1, 0.01, 0.004]), "large": ([0, 40], [0.2, 3.1e-5])}, marks={"always the mean": 0.11}
    )
    assert "small 0.004, large 3.1e-05; always the mean 0.11" in picture.alt
    assert ("large", "40", "3.1e-05") in picture.rows
    axes = picture.figure.axes[0]
    assert axes.get_yscale() == "log"
    assert axes.lines[1].get_xydata().tolist() == [[0, 0.2], [40, 3.1e-5]]
    assert axes.get_xlim() == (0, 40)


def test_answers_against_truth_by_bins() -> None:
    picture = figures.answers_against_truth([0.05, 0.08, 0.95, 1.0], [0.05, 0.10, 0.90, 1.0])
    assert picture.rows == (("0.0 to 0.1", "2", "0.01", "0.02"), ("0.9 to 1.0", "2", "0.025", "0.05"))
    assert "mean error 0.017, largest 0.05" in picture.alt


def test_error_by_reach_frames_what_is_within_reach() -> None:
    model = [[0.0, 0.2, np.nan], [0.01, 0.02, 0.3]]  # 1 and 2 layers, eccentricities 1 to 3
    picture = figures.error_by_reach(model, [[0.0, 0.1, np.nan], [0.0, 0.0, 0.1]], (1, 2))
    assert picture.header == ("table", "eccentricity", "layers 1", "layers 2")
    assert picture.rows[1] == ("trained transformer", "2", "0.200", "0.020")
    assert picture.rows[2] == ("trained transformer", "3", "-", "0.300")
    left, _ = picture.figure.axes
    framed = {(round(p.get_x() + 0.46), round(p.get_y() + 0.44)) for p in left.patches}
    assert framed == {(0, 0), (1, 0), (1, 1)}  # (layer, eccentricity) from 0
    assert [t.get_text() for t in left.texts][:2] == [".000", ".010"]


def test_distance_counts_both_outcomes() -> None:
    picture = figures.distance_to_bp([0.02, 13.0, 0.03], [0.001, 0.02, 0.002], [True, False, True])
    assert "2 of 3 runs reached" in picture.alt
    assert picture.rows[1] == ("1", "13", "0.02", "no")
    assert [len(line.get_xdata()) for line in picture.figure.axes[0].lines] == [2, 1]


@pytest.mark.parametrize(("value", "text"), [(0.00123, "0.0012"), (3.14e-5, "3.1e-05"), (float("nan"), "-")])
def test_two_digits(value: float, text: str) -> None:
    assert figures.significant(value) == text


def test_every_picture_renders() -> None:
    for picture in (
        figures.learning_curves({"a": ([0, 1], [0.5, 0.1])}, log=False),
        figures.answers_against_truth([0.2, 0.7], [0.25, 0.7]),
        figures.error_by_reach([[0.0, 0.2]], [[0.0, 0.1]], (1,)),
        figures.distance_to_bp([1.0, 2.0], [0.1, 0.2], [True, False]),
    ):
        assert len(picture.png()) > 2000


def test_entropy_collapse_draws_the_steps_and_the_networks() -> None:
    exact = Bijection(4).exact_entropy()
    picture = figures.entropy_collapse(exact, {"transformer": exact + 0.01, "LSTM": exact + 0.2}, title="four")
    assert picture.header == ("pairs seen before the question", "posterior", "transformer", "LSTM")
    assert picture.rows[1] == ("1", "1.585", "1.595", "1.785")
    assert "from 2.00 to 0.00 bits; transformer off by 0.010 bits at most, LSTM off by 0.200" in picture.alt
    (axes,) = picture.figure.axes
    assert np.allclose(axes.lines[0].get_ydata(), exact + 0.01)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["posterior", "transformer", "LSTM"]


def test_architectures_shows_every_seed_and_the_marks() -> None:
    results = {"8 pairs": {"transformer": [1.0, 1.0], "LSTM": [0.3, 0.2]}, "16 pairs": {"transformer": [0.9]}}
    picture = figures.architectures(results, marks={"8 pairs": {"guess": 0.25}}, title="recall")
    assert picture.rows == (
        ("8 pairs", "transformer", "1.000", "1.000"),
        ("8 pairs", "LSTM", "0.300", "0.200"),
        ("8 pairs", "(guess)", "0.250", ""),
        ("16 pairs", "transformer", "0.900", ""),
    )
    assert "8 pairs: transformer 1.000, LSTM 0.250; 16 pairs: transformer 0.900." in picture.alt
    dots = [line.get_xdata() for line in picture.figure.axes[0].lines if line.get_marker() not in ("None", "")]
    assert [list(x) for x in dots] == [[1.0, 1.0], [0.3, 0.2], [0.9]]
    assert figures.architectures({"a": {"b": [1e-4]}}, log=True).figure.axes[0].get_xscale() == "log"


def test_an_architecture_keeps_its_colour_from_task_to_task() -> None:
    results = {"one": {"transformer": [1.0], "LSTM": [0.5]}, "two": {"LSTM": [0.4]}}
    lines = [line for line in figures.architectures(results).figure.axes[0].lines if line.get_marker() == "s"]
    assert len(lines) == 2
    assert len({line.get_color() for line in lines}) == 1


def test_probe_by_layer_draws_trained_and_untrained() -> None:
    picture = figures.probe_by_layer({"recall": [(0, 0.0, 0.01), (1, 0.4, 0.02), (2, 0.9, 0.03)]})
    assert picture.rows[2] == ("recall", "2", "0.900", "0.030")
    trained, untrained = picture.figure.axes[0].lines
    assert list(trained.get_ydata()) == [0.0, 0.4, 0.9]
    assert list(untrained.get_ydata()) == [0.01, 0.02, 0.03]
    assert "recall 0.90" in picture.alt


def test_phase_change_says_when_each_line_passes_one_half() -> None:
    picture = figures.phase_change(
        [0, 100, 200], {"accuracy": [0.1, 0.2, 1.0], "share": [0.1, 0.5, 0.9], "no": [0, 0, 0]}
    )
    assert (
        "accuracy passes one half at step 200, share passes one half at step 100, no passes one half never"
        in picture.alt
    )
    assert picture.rows[-1] == ("200", "1.000", "0.900", "0.000")


@pytest.mark.parametrize("x", [0.0, 0.012, 1.0])
def test_short_numbers(x: float) -> None:
    assert float(figures.short_number(x)) == pytest.approx(x, abs=5e-4)
    assert figures.short_number(1.23e-4) == "1.2e-4"
