"""What results show in a notebook: kind, status, a short table; safe, honest about size, light to import."""

import html
import itertools
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bnt
from bnt.display import MOST_COLUMNS, MOST_LETTERS, MOST_ROWS, card, counted, probability
from bnt.errors import BntError, TooLargeError
from bnt.figures.picture import Picture
from bnt.graph.networks import chain, grid, load_graph
from bnt.reading.log_odds_transformer import LogOddsHead, LogOddsLayer, log_odds_tokens, log_odds_weights
from bnt.training.parameters import TransformerConfig
from bnt.training.train import Run

EVIL = "<script>alert('&\"')</script>"
WEATHER = bnt.HMM([0.7, 0.3], [[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.2, 0.8]], ("dry", "rain"), ("none", "umbrella"))


class Parsed(HTMLParser):
    """Tags in order, text of each table cell, all text; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def shown(thing: object) -> Parsed:
    return Parsed(thing._repr_html_())  # type: ignore[attr-defined]


def implicit_graph() -> bnt.ImplicitGraph:
    rng = np.random.default_rng(0)
    heads = [LogOddsHead(rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), np.array([w])) for w in (2.0, -1.0)]
    layer = LogOddsLayer(tuple(heads), keep=np.array([1.0]), bias=np.array([0.5]))
    tokens = log_odds_tokens(rng.normal(size=(3, 1)), rng.normal(size=(3, 2)), 2)
    return bnt.extract_graph(log_odds_weights([layer], 2), tokens)


def knowledge() -> bnt.KnowledgeBase:
    return bnt.load_knowledge("alarm")


CURVE = {"step": np.arange(2), "loss": np.array([0.75, 0.5])}


def every_kind() -> dict[str, object]:
    graph = load_graph("asia")
    model = bnt.compile_graph(chain(4, seed=0), {"x0": "1"}, rounds=4)
    ground = knowledge().ground()
    known = {"calls(john, h1)": True}
    return {
        "Variable": graph.variables[0],
        "Factor": graph.factors[5],
        "FactorGraph": graph,
        "Beliefs": bnt.run_bp(graph).beliefs,
        "BPResult": bnt.run_bp(graph, {"xray": "yes"}),
        "ExactResult": bnt.exact_marginals(graph, {"xray": "yes"}),
        "Posterior": bnt.posterior(graph, {"xray": "yes"}, ["lung"]),
        "CompiledModel": model,
        "Trace": bnt.forward(model.tokens, model.weights),
        "Report": bnt.verify_model(model),
        "Answer": bnt.ask(ground, "alarm(h1)", known),
        "Explanation": bnt.explain(ground, "alarm(h1)", known),
        "KnowledgeBase": knowledge(),
        "Grounding": ground,
        "BatchResult": bnt.run_bp_batch(graph, {"xray": ["yes", None, "no"]}),
        "HMM": WEATHER,
        "ImplicitGraph": implicit_graph(),
        "Run": Run(
            bnt.initialise(TransformerConfig(width=2, outputs=1, heads=1, d_k=1, d_ff=2, inputs=1), 0), 2, CURVE, 0.5
        ),
    }


KINDS = every_kind()


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_says_what_it_is_and_has_a_table(kind: str) -> None:
    found = shown(KINDS[kind])
    assert found.words[0] == kind
    assert found.tags[:3] == ["div", "div", "strong"]
    assert len(found.rows) >= 2
    assert len({len(row) for row in found.rows}) == 1
    assert all("nan" not in word and "object at" not in word for word in found.words)


@pytest.mark.parametrize("kind", KINDS)
def test_colours_are_the_notebooks_and_nothing_has_a_background(kind: str) -> None:
    text = KINDS[kind]._repr_html_()  # type: ignore[attr-defined]
    assert "background" not in text
    assert "white" not in text
    for piece in text.split("solid ")[1:]:
        assert piece.startswith("var(--jp-"), piece[:40]


@pytest.mark.parametrize("kind", ["BPResult", "ExactResult", "Posterior", "Answer", "Explanation"])
def test_the_chip_is_the_status(kind: str) -> None:
    thing = KINDS[kind]
    assert shown(thing).words[1:3] == [" ", thing.status]  # type: ignore[attr-defined]


def test_a_loopy_answer_is_never_called_exact() -> None:
    result = bnt.run_bp(grid(4, 4, seed=0, coupling=2.0))
    assert result.status in ("approximate", "not converged")
    assert shown(result).words[2] == result.status
    assert "exact" not in shown(result).words


def test_numbers_of_beliefs_are_those_of_the_result() -> None:
    result = bnt.run_bp(load_graph("asia"), {"xray": "yes"})
    rows = dict(shown(result).rows[1:])
    for name, states in result.beliefs.items():
        assert rows[name] == ", ".join(f"{state}: {probability(p)}" for state, p in states.items())


def test_report_says_whether_it_holds() -> None:
    report = KINDS["Report"]
    assert "holds" in shown(report).words
    broken = bnt.Report(**{**vars(report), "message_errors": np.array([0.5])})
    assert "does not hold" in shown(broken).words
    assert ["messages, transformer against BP, every round", "0.5"] in shown(broken).rows
    empty = bnt.Report(**{**vars(report), "message_errors": None, "bp_vs_exact": None})
    assert ["beliefs, BP against exact", "–"] in shown(empty).rows


def test_names_with_markup_are_text() -> None:
    first, second = bnt.Variable(EVIL, (EVIL, "<b>no</b>")), bnt.Variable("b", ("0", EVIL))
    factor = bnt.Factor((first, second), [[1, 2], [3, 4]], name=EVIL)
    graph = bnt.FactorGraph([first, second], [factor])
    model = bnt.compile_graph(graph, {"b": EVIL}, rounds=2)
    hmm = bnt.HMM([0.5, 0.5], np.eye(2), np.eye(2), (EVIL, "<img src=x>"), ("<i>", EVIL))
    base = bnt.KnowledgeBase(EVIL)
    things = [first, factor, graph, hmm, base, model, bnt.verify_model(model), bnt.run_bp(graph).beliefs]
    things += [bnt.run_bp_batch(graph, pd.DataFrame({"b": [EVIL]}, index=[EVIL]))]
    things += [bnt.run_bp(graph, {"b": EVIL}), bnt.exact_marginals(graph), bnt.posterior(graph)]
    for thing in things:
        found = shown(thing)
        assert set(found.tags) <= {"div", "strong", "span", "table", "thead", "tbody", "tr", "th", "td"}
        if thing is not model and not isinstance(thing, bnt.Report):
            assert any(EVIL in word for word in found.words), type(thing)
    assert (
        Parsed(card(EVIL, EVIL, (EVIL,), [(EVIL,)], total=9, things=EVIL, status=EVIL, notes=[EVIL])).tags.count(
            "script"
        )
        == 0
    )


def test_what_is_large_is_shortened_and_says_so() -> None:
    graph = chain(1041, seed=0)
    assert "12 of 1,041 variables" in shown(graph).words
    assert len(shown(graph).rows) == 1 + MOST_ROWS
    assert "12 of 1,041 variables" in shown(bnt.run_bp(graph)).words
    wide = bnt.Variable("wide", map(str, range(2000)))
    assert "12 of 2,000 states" in shown(wide).words
    one = bnt.FactorGraph([wide], [bnt.Factor((wide,), np.ones(2000))])
    assert shown(bnt.run_bp(one)).rows[1][1].endswith("and 1,995 more")
    many = [bnt.Variable(f"v{i}", ("0", "1")) for i in range(18)]
    table = bnt.Factor(many, np.ones((2,) * 18))
    assert "12 of 262,144 entries, 12 of 19 columns" in shown(table).words
    assert {len(row) for row in shown(table).rows} == {MOST_COLUMNS}
    long = "x" * 10_000
    assert len(card("Kind", long, (long,), [(long,)])) < 1500
    assert f"{'x' * (MOST_LETTERS - 1)}…" in Parsed(card("Kind", "", (long,), [(1,)])).rows[0]


def test_only_as_many_rows_are_made_as_are_shown() -> None:
    made = []
    rows = ([made.append(i) or i] for i in itertools.count())
    card("Kind", "endless", ("i",), rows, total=10**9)
    assert len(made) == MOST_ROWS


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "0"), (1.0, "1"), (1e-5, "<0.0001"), (1 - 1e-9, ">0.9999"), (0.12344, "0.1234"), (0.99994, "0.9999")],
)
def test_certainty_is_said_only_where_it_is_exact(p: float, text: str) -> None:
    assert probability(p) == text


def test_cells() -> None:
    found = Parsed(card("Kind", "", ("a", "b", "c", "d"), [(0.123456, 12345, None, True)]))
    assert found.rows[1] == ["0.1235", "12,345", "–", "True"]
    assert html.unescape("&lt;") in Parsed(card("Kind", "<")).words[-1]
    assert [counted(n, "factor") for n in (1, 2, 1041)] == ["1 factor", "2 factors", "1,041 factors"]
    assert counted(2, "entry") == "2 entries"


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_hold_the_numbers() -> None:
    graph = load_graph("asia")
    result = bnt.run_bp(graph, {"xray": "yes"})
    frame = result.to_frame()
    assert list(frame.columns) == ["variable", "state", "probability"]
    for name, state, p in frame.itertuples(index=False):
        assert result.beliefs[name][state] == p
    assert len(frame) == len(result.beliefs.flat)
    pd.testing.assert_frame_equal(frame, result.beliefs.to_frame())
    exact = bnt.exact_marginals(graph, {"xray": "yes"})
    assert exact.to_frame()["probability"].tolist() == exact.beliefs.flat.tolist()
    asked = bnt.posterior(graph, {"xray": "yes"}, ["lung"]).to_frame()
    assert asked["variable"].tolist() == ["lung", "lung"]
    factor = graph.factors[5]
    table = factor.to_frame()
    for *states, value in table.itertuples(index=False):
        place = tuple(v.state_index(s) for v, s in zip(factor.variables, states, strict=True))
        assert value == factor.table[place]
    assert len(table) == factor.table.size
    report = KINDS["Report"].to_frame()  # type: ignore[attr-defined]
    assert report["message_error"].dropna().tolist() == KINDS["Report"].message_errors.tolist()  # type: ignore[attr-defined]
    assert report["belief_error"].tolist() == KINDS["Report"].belief_errors.tolist()  # type: ignore[attr-defined]
    explanation = KINDS["Explanation"]
    assert [tuple(row) for row in explanation.to_frame().itertuples(index=False)] == explanation.rows()  # type: ignore[attr-defined]
    base = knowledge()
    again = [f"{p:g}: {head}" + (f" if {body}" if body else "") for p, head, body in base.rows()]
    assert again == [clause.text for clause in base.clauses]
    assert base.to_frame()["head"].tolist() == [str(clause.head) for clause in base.clauses]


def test_frames_of_what_has_rows() -> None:
    graph = load_graph("asia")
    whole = graph.to_frame()
    assert whole["variable"].tolist() == [variable.name for variable in graph.variables]
    assert whole["factors over it"].tolist() == [sum(v in f.variables for f in graph.factors) for v in graph.variables]
    hmm = WEATHER.to_frame().set_index("state")
    assert hmm.loc["rain", ["first", "to dry", "shows umbrella"]].tolist() == [0.3, 0.2, 0.8]
    trace = KINDS["Trace"]
    assert isinstance(trace, bnt.Trace)
    change = [np.abs(trace.streams[i + 1] - trace.streams[i]).max() for i in range(trace.layers)]
    assert trace.to_frame().to_numpy().tolist() == [[i + 1, value] for i, value in enumerate(change)]
    answer = KINDS["Answer"]
    assert isinstance(answer, bnt.Answer)
    assert answer.to_frame().to_numpy().tolist() == [["alarm(h1)", answer.probability, answer.status, answer.method]]
    run = KINDS["Run"]
    assert isinstance(run, Run)
    assert run.to_frame().to_numpy().tolist() == [[0, 0.75], [1, 0.5]]
    assert "last loss 0.5" in run._repr_html_()
    heads = implicit_graph().to_frame()
    assert heads[["layer", "head"]].to_numpy().tolist() == [[0, 0], [0, 1]]
    assert heads["weight"].tolist() == ["[2]", "[-1]"]


# --- pictures ---------------------------------------------------------------------------------------------------------


DRAWN = "FactorGraph Beliefs BPResult ExactResult CompiledModel Explanation Report KnowledgeBase"


@pytest.mark.parametrize("kind", DRAWN.split())
def test_plot_draws(kind: str) -> None:
    picture = KINDS[kind].plot()  # type: ignore[attr-defined]
    assert isinstance(picture, Picture)
    assert "<img" in picture.html()


def test_the_picture_of_a_compiled_model_is_that_of_its_belief_propagation() -> None:
    graph = chain(4, coupling=2.0)
    model = bnt.compile_graph(graph, {"x0": "1"}, rounds=4)
    bp = bnt.run_bp(graph, {"x0": "1"}, rounds=4, keep_history=True)
    assert model.plot().rows == bp.plot(round=4).rows == bp.plot().rows
    after = model.plot(layer=2).rows
    assert after != bp.plot(round=2).rows  # beliefs are read one layer later
    assert after[4:] == bp.plot(round=2).rows[4:]  # messages are not
    assert after[:4] == bp.plot(round=1).rows[:4]


def test_plot_of_what_needs_a_word_more() -> None:
    assert WEATHER.plot(["umbrella", None]).alt
    assert implicit_graph().plot(token=1).alt.startswith("token 1")
    assert KINDS["Trace"].plot(layer=0).alt.startswith("the residual stream after layer 0 of 5")  # type: ignore[attr-defined]


def test_what_cannot_be_read_or_drawn_is_refused() -> None:
    with pytest.raises(TooLargeError, match="1,041 variables cannot be read"):
        chain(1041, seed=0).plot()
    from bnt.figures import plot

    with pytest.raises(BntError, match="no picture of a int; there is one of: BPResult"):
        plot(3)


def test_without_matplotlib_plot_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\nimport bnt\n"
        "x = bnt.Variable('x', ('0', '1')); graph = bnt.FactorGraph([x], [])\n"
        "assert graph._repr_html_()\n"
        "try:\n    graph.plot()\nexcept bnt.BntError as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "bnt[course]"' in ran.stdout


def test_a_card_loads_neither_pandas_nor_matplotlib() -> None:
    program = (
        "import sys, bnt\nx = bnt.Variable('x', ('0', '1')); graph = bnt.FactorGraph([x], [])\n"
        "graph._repr_html_(); x._repr_html_(); bnt.exact_marginals(graph)._repr_html_()\n"
        "assert not {'pandas', 'matplotlib', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
