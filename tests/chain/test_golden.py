"""The golden chain's roots are those of the vector, on this Python and on the other one."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from chain.execution.receipt import Outcome
from tests.chain.golden import BLOCKS, golden_chain

VECTOR = Path(__file__).parents[2] / "vectors" / "golden" / "chain-1.json"


def test_the_roots_are_those_of_the_vector() -> None:
    assert golden_chain() == json.loads(VECTOR.read_text())


def test_the_vector_holds_accepted_refused_undone_and_unrun_calls() -> None:
    blocks = json.loads(VECTOR.read_text())
    assert len(blocks) == BLOCKS + 1
    codes = {code for block in blocks for receipt in block["codes"] for code in receipt}
    assert {Outcome.OK, Outcome.UNDONE, Outcome.NOT_RUN} < codes
    refusals = codes - set(Outcome)
    assert len(refusals) > 4, refusals


def test_the_other_python_comes_to_the_same_roots() -> None:
    other = os.environ.get("GTX_OTHER_PYTHON")
    if other is None:
        pytest.skip("GTX_OTHER_PYTHON names no second interpreter with the packages installed")
    root = VECTOR.parents[2]
    command = [other, "-m", "tests.chain.golden"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == json.loads(VECTOR.read_text())
