"""Train a method on a prepared data set."""

import sys

from nmtr_tf.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
