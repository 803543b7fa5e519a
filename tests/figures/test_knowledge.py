"""Pictures of rules, explanations and calibration.

Their tables against Bayes' rule by hand, their strokes against tables.
"""

import math

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch, Rectangle

from bnt.errors import BntError, TooLargeError
from bnt.figures import knowledge
from bnt.knowledge.base import KnowledgeBase, load_knowledge, parse_knowledge
from bnt.knowledge.calibration import calibration_of
from bnt.knowledge.explanations import explain

BOTH = {"calls(john, h1)": True, "calls(mary, h1)": True}
JOHN, MARY = 10 * math.log10((1 - 0.95 * 0.1) / 0.05), 10 * math.log10((1 - 0.99 * 0.3) / 0.01)  # noisy-OR, by hand


@pytest.fixture(scope="module")
def street():
    return load_knowledge("alarm").ground()


def bars(picture):
    return [round(patch.get_width(), 1) + 0.0 for patch in picture.figure.axes[0].patches]


def test_independent_callers_have_three_equal_columns_that_add_up(street) -> None:
    picture = knowledge.weights_of_evidence(explain(street, "alarm(h1)", BOTH))
    assert picture.rows[0] == ("calls(john, h1) = true", *[f"{JOHN:+.1f}"] * 3)
    assert picture.rows[1] == ("calls(mary, h1) = true", *[f"{MARY:+.1f}"] * 3)
    assert picture.rows[-1][1] == f"{JOHN + MARY:+.1f}"
    assert "add up: given alarm(h1)" in picture.alt
    assert bars(picture) == [round(x, 1) for x in (JOHN, JOHN, MARY, MARY, JOHN + MARY, JOHN + MARY)]


def test_the_earthquake_explains_away(street) -> None:
    explanation = explain(street, "burglary(h1)", {**BOTH, "earthquake": True})
    picture = knowledge.weights_of_evidence(explanation)
    each = [x for w in explanation.weights for x in (w.alone, w.given_rest)]
    expected = [*each, sum(w.alone for w in explanation.weights), explanation.change]
    assert bars(picture) == [round(10 / math.log(10) * x, 1) + 0.0 for x in expected]
    assert picture.rows[2][1] == "+0.0"
    assert float(picture.rows[2][3]) < -15
    assert "do not add up" in picture.alt
    total, change = float(picture.rows[3][1]), float(picture.rows[4][1])
    assert total - change == pytest.approx(23.2, abs=0.11)


def test_certainty_is_said_and_drawn_to_the_border() -> None:
    ground = load_knowledge("dating").ground()
    explanation = explain(ground, "likes(jack, jill)", {"lonely(jack)": True})
    picture = knowledge.weights_of_evidence(explanation)
    assert picture.rows[0][1] == "certainly true"
    assert bars(picture)[0] == picture.figure.axes[0].get_xlim()[1]
    assert knowledge.explanation_messages(ground, explanation).rows[0][-1] == "certainly true"
    assert knowledge.signed(-0.04) == "+0.0"
    assert knowledge.signed(-math.inf) == "certainly false"


def test_nothing_observed_moves_nothing(street) -> None:
    explanation = explain(street, "alarm(h1)", {})
    assert knowledge.weights_of_evidence(explanation).rows[-1][1] == "+0.0"
    assert knowledge.explanation_messages(street, explanation).rows == ()


def test_the_map_of_messages(street) -> None:
    """Two houses: each alarm's message into the earthquake, each call's into its alarm, and nothing else."""
    explanation = explain(street, "earthquake", {**BOTH, "calls(john, h2)": True})
    picture = knowledge.explanation_messages(street, explanation)
    assert [row[:2] for row in picture.rows] == [
        ("alarm(h1)", "earthquake"),
        ("alarm(h2)", "earthquake"),
        ("calls(john, h1)", "alarm(h1)"),
        ("calls(mary, h1)", "alarm(h1)"),
        ("calls(john, h2)", "alarm(h2)"),
    ]
    assert picture.rows[2][-1] == f"{JOHN:+.1f}"
    into = sum(float(row[-1]) for row in picture.rows if row[1] == "earthquake")
    change = knowledge.DECIBAN * explanation.change
    assert into == pytest.approx(change, abs=0.11)
    written = [text.get_text() for text in picture.figure.axes[0].texts]
    assert {"earthquake", "alarm(h1)", "alarm(h2)", "calls(john, h2)", f"{JOHN:+.1f}"} <= set(written)
    assert "burglary(h1)" not in written  # nothing moved through it


def test_the_map_shows_made_up_variables_without_a_belief() -> None:
    text = "type cause = c1 .. c4\npredicate on(cause)\npredicate seen\n0.2: on(X) if cause(X)\n0.7: seen if on(X)\n"
    ground = parse_knowledge(text).ground(fan_in=2)
    explanation = explain(ground, "on(c1)", {"seen": True})
    picture = knowledge.explanation_messages(ground, explanation)
    assert any("#or" in row[1] or "#or" in row[0] for row in picture.rows)
    assert explanation.messages_exact


def test_loops_are_said() -> None:
    ground = load_knowledge("ward").ground()
    explanation = explain(ground, "has(p1, pneumonia)", {"shows(p1, fever)": True, "shows(p1, cough)": True})
    picture = knowledge.explanation_messages(ground, explanation)
    assert "(loops: approximate)" in picture.alt
    assert float(picture.alt.split()[-1].rstrip(".")) != pytest.approx(knowledge.DECIBAN * explanation.change, abs=0.5)


def test_reliability_lists_what_it_draws() -> None:
    right = calibration_of([0.2] * 10 + [0.8] * 10, [1] * 2 + [0] * 8 + [1] * 8 + [0] * 2)
    bold = calibration_of([0.0] * 10 + [1.0] * 10, [1] * 2 + [0] * 8 + [1] * 8 + [0] * 2)
    picture = knowledge.reliability({"here": {"right": right, "bold": bold}, "there": {"right": right}})
    assert picture.rows[0] == ("here", "right", "0.00", "0.09", "0.20: 0.20, 0.80: 0.80")
    assert picture.rows[1] == ("here", "bold", "0.20", "0.25", "0.00: 0.20, 1.00: 0.80")
    assert "3 curves; the largest expected calibration error is 0.20, bold, here" in picture.alt
    drawn = picture.figure.axes[0].containers[1].lines[0].get_xydata()
    assert np.allclose(drawn, [[0.0, 0.2], [1.0, 0.8]])


# --- rules ------------------------------------------------------------------------------------------------------------

RULES = """
type thing = a, b
predicate on(thing)
predicate lit
predicate seen(by: thing, of: thing)
0.25: on(a)
0.5: on(X) if thing(X)
0.75: lit if on(X)
lit if on(a) and on(b)
0.125: seen(X, Y) if on(Y) and lit and thing(X)
0.5: seen(X, Y) if seen(Y, X)
"""


def ends_of(picture, style):
    """From where to where each line with this end leads, in inches."""
    patches = [p for p in picture.figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    return [p._posA_posB for p in patches if type(p.get_arrowstyle()).__name__ == style]


def rounded(place):
    return tuple(np.round(place, 9).tolist())


def test_the_picture_of_rules_lists_each_clause_once() -> None:
    picture = parse_knowledge(RULES, "lamps").plot()
    assert picture.header == ("predicate", "because of", "how many, how likely")
    assert picture.rows == (
        ("lit", "on", "2 rules, 0.75 to 1"),
        ("seen", "lit and on", "1 rule, 0.125"),
        ("seen", "seen", "1 rule, 0.5"),
        ("on", "", "2 facts, 0.25 to 0.5"),
    )
    assert picture.alt == "lamps: which predicates speak for which: 3 predicates, 4 rules and 2 facts."
    written = [text.get_text() for text in picture.figure.axes[0].texts]
    assert {"on(thing)", "lit", "seen(thing, thing)", "2 facts, 0.25 to 0.5", "2 rules, 0.75 to 1"} <= set(written)


def test_its_lines_lead_from_conditions_to_a_square_and_from_there_down_to_the_head() -> None:
    picture = parse_knowledge(RULES).plot()
    axes = picture.figure.axes[0]
    place = {t.get_text(): t.get_position()[0] for t in axes.texts}
    squares = {rounded(p.get_center()) for p in axes.patches if isinstance(p, Rectangle)}
    arrows, lines = ends_of(picture, "CurveFilledB"), ends_of(picture, "Curve")
    assert len(squares) == len(arrows) == 3
    assert {rounded(start) for start, _ in arrows} == {rounded(end) for _, end in lines} == squares
    heads = sorted(end[0] for _, end in arrows)
    assert heads == pytest.approx(sorted([place["lit"], *[place["seen(thing, thing)"]] * 2]))
    assert all(start[1] > end[1] for start, end in arrows)
    straight = [(start, end) for start, end in lines if start[1] > end[1]]
    assert len(lines) == 4  # on; lit, on; seen
    assert len(straight) == 3  # that of the rule of seen about seen comes from below


@pytest.mark.parametrize(("first", "second"), [("p", "p"), ("p", "q")])
def test_rules_in_a_circle_are_drawn(first: str, second: str) -> None:
    """Each head below its squares, though each depends on the other."""
    base = KnowledgeBase("circle")
    base.add_predicate("p")
    base.add_predicate("q")
    base.add_rule(first, [second], 0.5)
    base.add_rule(second, [first], 0.25) if first != second else None
    picture = base.plot()
    arrows = ends_of(picture, "CurveFilledB")
    assert len(arrows) == len(picture.rows) == len({first, second})
    assert all(start[1] > end[1] for start, end in arrows)


def test_what_has_no_picture_of_rules() -> None:
    with pytest.raises(BntError, match="empty has no predicates"):
        KnowledgeBase("empty").plot()
    many = KnowledgeBase("many")
    for i in range(61):
        many.add_predicate(f"p{i}")
    with pytest.raises(TooLargeError, match="61 predicates cannot be read"):
        many.plot()
