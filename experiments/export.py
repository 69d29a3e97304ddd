"""Export a trained run as a SavedModel for TensorFlow Serving, with its model card."""

import sys

from nmtr_tf.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
