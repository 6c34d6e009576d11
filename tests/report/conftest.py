import pytest

from tests.report import examples


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """A suite like the zoo's."""
    return examples.suite(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Two models and their variant."""
    return examples.suite(tmp_path_factory.mktemp("small"), {"vgg": ["vgg11", "vgg11_bn"]})


@pytest.fixture(scope="session")
def zoo_report(zoo):
    """Of all its cases, nothing changed."""
    return examples.report(zoo)
