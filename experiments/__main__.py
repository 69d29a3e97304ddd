"""List the commands, or run one: those of the package, and the benchmark."""

import sys

from nmtr_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main(packages=("nmtr_tf.cli", "experiments")))
