"""Write a log to try everything on: who viewed, carted and bought what, and when, in a small shop."""

import sys

from nmtr_tf.cli.sample import main

if __name__ == "__main__":
    sys.exit(main())
