"""The examples in the docstrings of the domain are true."""

import doctest
import importlib
import pkgutil

import pytest
from hedgerow_network import domain

MODULES = [f"{domain.__name__}.{found.name}" for found in pkgutil.iter_modules(domain.__path__)]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0
