"""Make the paper's Tables I to V from runs on a data set."""

import sys

from nmtr_tf.cli.tables import main

if __name__ == "__main__":
    sys.exit(main())
