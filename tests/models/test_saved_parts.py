"""What `import nmtr_tf.models` tells Keras about saved models, and when."""

import importlib
import subprocess
import sys

import keras

from nmtr_tf.models.optimizers import Adagrad
from nmtr_tf.models.saved_parts import PARTS, _KerasFinder, register_saved_parts


def test_every_class_that_this_project_registers_is_known():
    """Whoever adds a layer, a unit or an optimizer has to add it there."""
    for module in ("cascade", "model", "optimizers", "rows", "units", "unit_kinds"):
        importlib.import_module(f"nmtr_tf.models.{module}")
    registered = keras.saving.get_custom_objects()
    names = {name.partition(">")[2] for name in registered if name.startswith("nmtr_tf>")}
    assert names == set(PARTS)
    for name, module in PARTS.items():
        assert registered[f"nmtr_tf>{name}"] is getattr(importlib.import_module(module), name)


def test_importing_the_package_imports_neither_keras_nor_tensorflow():
    code = "import sys, nmtr_tf.models; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_stand_in_makes_the_real_thing(monkeypatch):
    """Where Keras was imported first; `tests/training/test_every_method.py` has the other order."""
    saved = keras.saving.serialize_keras_object(Adagrad(0.25, 0.5))
    registered = keras.saving.get_custom_objects()
    monkeypatch.delitem(registered, "nmtr_tf>Adagrad")
    register_saved_parts()
    assert registered["nmtr_tf>Adagrad"] is not Adagrad
    made = keras.saving.deserialize_keras_object(saved)
    assert type(made) is Adagrad
    assert (float(made.learning_rate), made.initial_accumulator) == (0.25, 0.5)


def test_what_is_registered_stays():
    before = dict(keras.saving.get_custom_objects())
    register_saved_parts()
    assert dict(keras.saving.get_custom_objects()) == before


def test_the_finder_finds_keras_as_others_do_and_nothing_else():
    finder = _KerasFinder()
    assert finder.find_spec("tensorflow", None) is None
    assert finder.find_spec("keras.models", keras.__path__) is None
    found = finder.find_spec("keras", None)
    assert found is not None
    assert found.origin == keras.__file__
