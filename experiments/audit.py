"""Audit a data set: what its training rows give away about the held-out pairs."""

import sys

from nmtr_tf.cli.audit import main

if __name__ == "__main__":
    sys.exit(main())
