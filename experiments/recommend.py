"""Recommend items to users of a trained run: on the terminal, or into a file for programs."""

import sys

from nmtr_tf.cli.recommend import main

if __name__ == "__main__":
    sys.exit(main())
