"""Write a log to try everything on, as a shop would have it: who viewed, carted and bought what, when."""

import sys

from nmtr_tf.cli.sample import main

if __name__ == "__main__":
    sys.exit(main())
