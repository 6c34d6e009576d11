"""The fixture `robustness_device`, overridden."""

import pytest

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


def override(project, value):
    (project.path / "conftest.py").write_text(
        "import pytest\nimport torch\n\n\n"
        f'@pytest.fixture(scope="session")\ndef robustness_device():\n    return {value}\n'
    )


@pytest.mark.parametrize("value", ['"cpu"', 'torch.device("cpu")', '"cpu:0"'])
def test_a_device_may_be_named(recorded, value):
    override(recorded, value)
    assert recorded.run().ret == OK


@pytest.mark.parametrize("value", ['"gpu"', "None", "1.5", "True"])
def test_what_is_no_device_is_one_line(recorded, value):
    override(recorded, value)
    result = recorded.run()
    assert result.ret == FAILED
    shown = value.replace('"', "'")
    assert f"small/fgsm: robustness_device: {shown} is no device: should be a torch.device, or a name" in (
        result.stdout.str()
    )
    assert "Traceback" not in result.stdout.str()
