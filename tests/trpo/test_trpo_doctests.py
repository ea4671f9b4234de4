"""The examples in the docstrings of the case study run."""

import doctest
import importlib
import pkgutil

import pytest

pytest.importorskip("gymnasium")

import case_studies.trpo

MODULES = sorted(module.name for module in pkgutil.iter_modules(case_studies.trpo.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings_run(name, capsys):
    failures, _ = doctest.testmod(importlib.import_module(f"case_studies.trpo.{name}"),
                                  optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failures == 0
