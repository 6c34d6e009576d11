"""A run of bisect tells when its code is not the commit's."""

import importlib
import sys

import pytest
from pytest_robustness.plugin.code_origin import VARIABLES, pytest_sessionfinish


@pytest.mark.parametrize("inside", ["", "tree"])
def test_a_module_of_the_users_checkout_is_named(tmp_path, monkeypatch, inside):
    """The temporary checkout may lie in the user's own: its modules are the commit's."""
    folder = tmp_path / "checkout" / inside
    folder.mkdir(parents=True)
    (folder / "module_of_a_checkout.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "module_of_a_checkout", importlib.import_module("module_of_a_checkout"))
    places = (tmp_path / "checkout", tmp_path / "checkout" / "tree", tmp_path / "origin")
    for name, place in zip(VARIABLES, places, strict=True):
        monkeypatch.setenv(name, str(place))
    pytest_sessionfinish()
    if inside:
        assert not places[2].exists()
    else:
        assert places[2].read_text() == f"module_of_a_checkout ({folder / 'module_of_a_checkout.py'})"


def test_without_bisect_nothing_is_written(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    pytest_sessionfinish()
