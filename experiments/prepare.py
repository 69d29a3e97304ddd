"""Turn a raw multi-behavior log into a data set directory."""

import sys

from nmtr_tf.cli.prepare import main

if __name__ == "__main__":
    sys.exit(main())
