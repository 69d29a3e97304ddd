"""Rank the held-out items of a trained run, or of baselines, among the whole catalogue."""

import sys

from nmtr_tf.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
