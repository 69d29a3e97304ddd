"""Compare evaluated runs with a baseline, user by user."""

import sys

from nmtr_tf.cli.compare import main

if __name__ == "__main__":
    sys.exit(main())
