"""More attacks by the wall that they try: answers, names, archives and dates, in one class with honest learners.

What the fence reads is refused before anything runs (quick); all of them graded end to end gain nothing, tell nothing
and harm nobody (slow), as root and as an ordinary user.
"""

import csv
import io
import json
import re
import time
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bnt import policy
from bnt.grading.grade import grade
from bnt.grading.limits import Limits
from bnt.grading.paper import build_paper
from bnt.grading.sandbox import why_not_isolated
from tests.attacks.exam import DOUBLE, SEED, submission, write_exam
from tests.attacks.kinds import BY_ANSWER
from tests.every import some
from tests.grading.test_layouts import packed, put
from tests.ordinary_user import ROOT, run_again

AT_RUN_TIME = ("W4, telling the hidden inputs", "W6, room and time")  # the fence sees nothing in some of these
ANSWERS = {f"{kind[:2]} {name}": told for kind, names in BY_ANSWER.items() for name, told in names.items()}
GRADED = ANSWERS if ROOT else dict(some(list(ANSWERS.items()), 3))
LIMITS = Limits(cell_seconds=3, memory_mb=2048, disk_mb=16, processes=28)
hostile = pytest.mark.skipif(bool(why_not_isolated()), reason=f"hostile code needs a sandbox: {why_not_isolated()}")


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory):
    return write_exam(tmp_path_factory.mktemp("exam"))


def test_every_kind_has_attacks_of_its_own() -> None:
    assert len(ANSWERS) >= 45
    assert {kind[:2] for kind in BY_ANSWER} == {"W1", "W4", "W5", "W6", "W7"}  # W2, W3, W8, W9, W10: below


@pytest.mark.parametrize("kind", [kind for kind in BY_ANSWER if kind not in AT_RUN_TIME])
def test_the_fence_refuses_before_anything_runs(exam, kind: str) -> None:
    rules = {name: value for name, value in build_paper(exam).items() if name in ("allowed", "names", "protected")}
    for name, (answer, pattern) in BY_ANSWER[kind].items():
        start = time.process_time()
        assert re.search(pattern, policy.refusals(answer, rules) or "as expected"), name
        assert time.process_time() - start < 3, name


def zipped(name: str, content: bytes, when: tuple[int, int, int, int, int, int]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, when), content)
    return stream.getvalue()


DUE = 1.75e9
SPOILT = ("=HYPERLINK(1)", "@SUM(1)", "a;=1+1", "-2+3", "\x1b[31mred", "b\nob")


def situations(right: bytes, wrong: bytes) -> dict[str, bytes | tuple[bytes, float]]:
    """Files of W2, W3, W8, W9 and W10, of a class whose honest learners are a, m and z."""
    late, early = (2107, 1, 1, 0, 0, 0), (2001, 1, 1, 0, 0, 0)
    old = zipped("exam.ipynb", right, early)
    return {
        "w2-zip.zip": packed({f"{who}-honest/exam.ipynb": wrong for who in "amz"}, when=late),
        "w2-nested.zip": packed({"a-honest.zip": packed({"exam.ipynb": wrong}, when=late)}, when=late),
        "w2-tar.tar.gz": packed({"../a-honest/exam.ipynb": wrong, "/a-honest/exam.ipynb": wrong}, ".tar.gz"),
        "w2-folder/a-honest/exam.ipynb": wrong,
        "w3-bad.zip": bytes(packed({"xx.ipynb": right}).replace(b"xx.ipynb", b"\xff\xfe.ipynb")),
        "w3-torn.zip": packed({"exam.ipynb": right})[:-30],
        "w3-deep.zip": packed({"1.zip": packed({"2.zip": packed({"3.zip": packed({"exam.ipynb": right})})})}),
        "w3-bomb.zip": bomb(),
        "w9-own-date.zip": (old, DUE + 1000),
        "w9-nested.zip": (packed({"x.zip": old}, when=early), DUE + 1000),
        "w10-long.zip": packed({("x" * 200 + "/") * 20 + "exam.ipynb": right}),
        **{f"{name}/exam.ipynb": right for name in SPOILT},
    }


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(70):
            archive.writestr(f"{number}.ipynb", b" " * (19 << 20))
    return stream.getvalue()


@hostile
@pytest.mark.slow
def test_no_kind_gains_a_point_or_tells_or_harms(exam, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As an ordinary user, to whom the machine itself says no to more, with a third of the answers."""
    right = json.dumps(submission(exam)).encode()
    wrong = json.dumps(submission(exam, double="def double(x):\n    return 0", belief="def belief(p):\n    return 0"))
    answers = {name: json.dumps(submission(exam, double=text)).encode() for name, (text, _) in GRADED.items()}
    early = {f"{name}/exam.ipynb": (content, DUE - 9) for name, content in answers.items()}
    honest = {
        f"{who}-honest/exam.ipynb": (json.dumps(submission(exam, double=f"# {who}\n{DOUBLE}")).encode(), DUE - 9)
        for who in "amz"
    }
    folder = put(tmp_path / "in", {**early, **honest})
    put(folder, situations(right, wrong.encode()))
    options = {"seed": SEED, "limits": LIMITS, "jobs": 2, "deadline": DUE}
    rows = {row["learner"]: row for row in grade(exam.path, [folder], tmp_path / "out", **options)}

    for who in "amz":
        assert (rows[f"{who}-honest"]["score"], rows[f"{who}-honest"]["notes"]) == (5, [])
    unlike = []
    for name, (_, pattern) in GRADED.items():
        row = rows[name]
        reason = row["checks"]["hidden-double"]["reason"]
        if not re.search(pattern, reason) or row["score"] != (5 if reason == "as expected" else 2):
            unlike.append((name, row["score"], reason, row["notes"]))
    assert not unlike, "\n".join(map(str, unlike))

    got = {name: row["score"] for name, row in rows.items() if name not in GRADED and not name.endswith("-honest")}
    w2 = {name: score for name, score in got.items() if name.startswith("w2")}
    assert w2 == dict.fromkeys(("w2-zip", "w2-nested", "w2-tar", "w2-folder"), 0)
    assert [got[f"w3-{name}"] for name in ("torn", "deep", "bomb")] == [0, 0, 0]
    for name in ("own-date", "nested"):
        (note,) = (note for note in rows[f"w9-{name}"]["notes"] if note.startswith("late: handed in"))
        assert datetime.fromtimestamp(DUE + 1000).strftime("%Y-%m-%d %H:%M") in note
    spoken = [name for name in got if name[0] not in "w"]
    assert len(spoken) == len(SPOILT)
    assert all(name.isprintable() and got[name] == 5 for name in spoken)

    table = (tmp_path / "out" / "report.csv").read_text(encoding="utf-8-sig")
    cells = [cell for line in csv.reader(io.StringIO(table)) for cell in line]
    assert not [cell for cell in cells if re.search(r"(^|[;,\t\n])\s*[=+@|%-](?!\d+(\.\d+)?$)", cell)]
    drawn = [str(n) for n in np.random.default_rng(SEED).integers(100, 999, 6)]
    for page in (tmp_path / "out").rglob("*.html"):
        text = page.read_text()
        assert str(SEED) not in text, page
        assert not re.search(r"\D+".join(drawn[:2]), text), page
        assert "\x1b" not in text
    assert "\x1b" not in capsys.readouterr().out


if ROOT:  # an ordinary user has run them already

    @hostile
    @pytest.mark.slow
    def test_again_as_an_ordinary_user() -> None:
        run_again(Path(__file__), seconds=560)
