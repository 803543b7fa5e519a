"""The exercise of the documentation, solved and blank, for tests of what learners hand in."""

import json

import pytest

from bnt.grading.versions import exercise, solution
from tests.exercise_examples import documented_source


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    return documented_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def good(source) -> bytes:
    return json.dumps(solution(source)).encode()


@pytest.fixture(scope="module")
def blank(source) -> bytes:
    return json.dumps(exercise(source)).encode()
