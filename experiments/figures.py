"""Draw the paper's Figures 2 to 5 from runs on a data set."""

import sys

from nmtr_tf.cli.figures import main

if __name__ == "__main__":
    sys.exit(main())
