"""Search the settings of a method or a baseline on validation, and never look at test."""

import sys

from nmtr_tf.cli.tune import main

if __name__ == "__main__":
    sys.exit(main())
