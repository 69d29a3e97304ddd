"""What is there at once, and what comes with the first name that needs it."""

import subprocess
import sys

import pytest

import nmtr_tf as nt


def test_settings_are_checked_without_tensorflow():
    code = """
import sys
import nmtr_tf as nt
from nmtr_tf.runs.checks import set_up
dataset = nt.prepare(nt.synthetic_shop(80, 40))
print(set_up(nt.RunConfig(), dataset).plan.name)
try:
    set_up(nt.RunConfig().with_options(num_layers=9), dataset)
except nt.InputError as error:
    print(error)
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    refusal = "`num_layers` should be from 1 to 5. Received: 9."
    assert done.stdout.splitlines() == ["nmtr_neumf", refusal, "[]"], done.stderr


def test_importing_the_package_is_cheap():
    heavy = ("tensorflow", "keras", "pandas", "pyarrow", "numpy", "scipy", "matplotlib")
    code = f"import sys, nmtr_tf; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_public_names_are_all_there():
    assert all(callable(getattr(nt, name)) for name in nt.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'fti'"):
        nt.fti  # noqa: B018
    assert set(nt.__all__) <= set(dir(nt))
