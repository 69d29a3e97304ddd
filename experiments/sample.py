"""Write a log to try everything on, of a small made-up shop: who viewed, carted and bought what, when."""

import sys

from nmtr_tf.cli.sample import main

if __name__ == "__main__":
    sys.exit(main())
