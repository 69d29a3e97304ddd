"""Write a page about a run that one can look at: one HTML file that needs no network."""

import sys

from nmtr_tf.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
