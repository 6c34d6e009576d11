"""An improvement that a failed masking check makes doubtful: told, refused, and recorded only where it is accepted."""

import pytest
from pytest_robustness.records.measurement import Measurement

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
MASKED = """
import torch
import tinyzoo


class Rounded(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model((images * 31).round() / 31)


def small():
    return Rounded(tinyzoo.build("small"))
"""


@pytest.fixture
def masked(project):
    """A suite whose small model was changed into one that looks robust."""
    project.record()
    (project.path / "offer.py").write_text(MASKED)
    project.edit("tiny.toml", 'source = "tinyzoo:small"', 'source = "offer:small"')
    return project


def test_it_fails_and_says_which_check_and_what_it_means(masked):
    result = masked.run()
    assert result.ret == FAILED
    rows = masked.table(result)
    assert [row.split()[-1] for row in rows] == ["suspicious", "suspicious", "same", "same"]
    result.stdout.fnmatch_lines(
        [
            "*small/fgsm: success rate * -> 0.0% *; suspicious: gradients: 40 of 40 * usually gradient *",
            "small fails a masking check: gradients: 40 of 40 images have a gradient of zero or not finite. Usually *",
        ]
    )


def test_a_suite_may_let_it_pass_with_a_warning(masked):
    masked.edit("tiny.toml", "batch_size = 20\n", 'batch_size = 20\nsuspicious = "warn"\n')
    result = masked.run()
    assert result.ret == OK
    assert [row.split()[-1] for row in masked.table(result)][:2] == ["suspicious"] * 2
    result.stdout.fnmatch_lines(["small fails a masking check: *"])


def test_an_update_refuses_it_unless_it_is_accepted(masked):
    before = masked.files()
    result = masked.run("--update-baselines")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["FAILED: small/fgsm: not recorded: success rate * record it by --accept-suspicious"])
    assert masked.files() == before
    masked.record("--accept-suspicious")
    stored = Measurement.from_json(masked.baseline("small/fgsm").read_text())
    assert stored.provenance.accepted_suspicious
    assert [finding.check for finding in stored.findings if not finding.passed] == stored.provenance.accepted_suspicious
    again = masked.run()
    assert again.ret == OK
    again.stdout.fnmatch_lines(["small fails a masking check: *"])  # every time


def test_a_model_that_was_masked_is_recorded_anew(masked):
    masked.record("--accept-suspicious")
    masked.edit("tiny.toml", 'source = "offer:small"', 'source = "tinyzoo:small"')
    result = masked.run()
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["*small/fgsm: not comparable, record anew: the baseline was masked (gradients: *"])
    masked.record()
    assert masked.run().ret == OK
    assert not Measurement.from_json(masked.baseline("small/fgsm").read_text()).provenance.accepted_suspicious


def test_a_candidate_is_held_against_images_made_on_the_model_it_would_replace(project):
    project.record()
    (project.path / "offer.py").write_text(MASKED)
    result = project.run("--candidate", "small=offer:small")
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["small fails a masking check: transfer: images made on another model fool *"])
