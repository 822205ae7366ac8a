"""The Examples sections of what a notebook imports are run, and each function and method has one."""

import doctest
import inspect

import pandas as pd
import pytest

import refusal_metrics as rm

PUBLIC = {name: getattr(rm, name) for name in rm.__all__ if name not in ("__version__", "InputError")}


def documented():
    """List the functions, classes and methods of the public face by their names."""
    for name, found in PUBLIC.items():
        yield name, found
        if inspect.isclass(found):
            for member, value in inspect.getmembers(found, inspect.isfunction):
                if not member.startswith("_"):
                    yield f"{name}.{member}", value


DOCUMENTED = dict(documented())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_of_a_docstring_show_what_comes_out(name, study, tmp_path):
    found = DOCUMENTED[name]
    docstring = inspect.getdoc(found)
    names = {"study": study, "rm": rm, "pd": pd, "folder": tmp_path}
    test = doctest.DocTestParser().get_doctest(docstring, names, name, None, 0)
    assert test.examples, f"{name} has no example"
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    told = []
    doctest.DocTestRunner(optionflags=options).run(test, out=told.append)
    assert told == [], "".join(told)
