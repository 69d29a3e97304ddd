"""`python -m nmtr_tf` is `nmtr`."""

import sys

from nmtr_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
