"""The scenarios that are tagged core, on one sandbox of their own. All of them: make chaos."""
import os

import pytest

from harness.spec import SpecError, load, parse
from harness.stage import Stage, specs

CORE = [s for s in map(load, specs()) if "core" in s.tags]


@pytest.fixture(scope="module")
def stage():
    s = Stage()
    yield s
    s.close()


@pytest.mark.parametrize("scenario", CORE, ids=lambda s: f"{s.number}-{s.name}")
def test_scenario(stage, scenario):
    stage.play(scenario)


def test_every_file_names_itself():
    for s in map(load, specs()):
        assert os.path.basename(s.path) == f"{s.number}-{s.name}.spec" and s.why, s.path
        assert set(s.tags) <= {"core", "chaos", "kube"} and s.tags, f"{s.path}: tags"
        asks_sandbox = any("sandbox" in line.args for step in s.steps for line in step.lines)
        assert not (asks_sandbox and "kube" in s.tags), f"{s.path}: no Kubernetes has the faults of the sandbox"


@pytest.mark.parametrize("text, says", [
    ("scenario 1 x\n  ctl y", "stands below"),
    ("scenario 1 x\nstep a\n  jump", "'jump' is not one of"),
    ("scenario 1 x\nstep a\nexpect\n  gap <= soon", "soon"),
    ("scenario 1 x\nexpect\n  speed <= 1", "METRIC"),
    ("cluster members:3\nscenario 1 x", "members"),
    ("scenario 1", "scenario NUMBER NAME"),
    ("tags core", "at least one step"),
])
def test_wrong_files_are_refused(text, says):
    with pytest.raises(SpecError, match=says):
        parse("x.spec", text)
