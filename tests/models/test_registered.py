"""What `import nmtr_tf.models` tells Keras about saved models."""

import subprocess
import sys


def in_fresh_process(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_registers_all_that_a_saved_model_may_hold():
    classes = "Adagrad Adam Cascade GMF ItemRows MF MLP NeuMF TableRows"
    in_fresh_process(
        "import nmtr_tf.models, keras\n"
        f"names = {{'nmtr_tf>' + name for name in '{classes}'.split()}}\n"
        "found = {name for name in keras.saving.get_custom_objects() if name.startswith('nmtr_tf>')}\n"
        "assert found == names, found ^ names"
    )


def test_what_a_method_means_is_known_without_tensorflow():
    in_fresh_process(
        "import sys\n"
        "from nmtr_tf.config import RunConfig\n"
        "from nmtr_tf.methods.plan import resolve\n"
        "assert resolve(RunConfig(), ('view', 'buy')).has_tower\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
