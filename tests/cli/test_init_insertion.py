"""A setting that ``init`` inserts, whatever is around its table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.setup.insertion import insertion
from pytest_robustness.setup.repository import Repository

LINES = st.lists(
    st.sampled_from(["# [tool.pytest.ini_options]", "[tool.x]", "", "a = '[tool.pytest.ini_options]'", "[tool.y]"]),
    unique=True,
)


@given(before=LINES, after=LINES, end=st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_around_the_table_stays(before, after, end, tmp_path_factory):
    lines = [*before, "[tool.pytest.ini_options]", "addopts = '-q'", *(line for line in after if line not in before)]
    if lines.count("[tool.x]") > 1 or lines.count("[tool.y]") > 1:
        return
    folder = tmp_path_factory.mktemp("around")
    (folder / "pyproject.toml").write_bytes(end.join(lines).encode())
    one = insertion(Repository.of(folder), "robustness_suite", "a.toml")
    assert one.text is not None
    assert one.text.split(end) == [
        line for old in lines for line in ([old, one.line] if old == "[tool.pytest.ini_options]" else [old])
    ]
