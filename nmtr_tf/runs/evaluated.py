"""The evaluation that a run's directory holds. It needs no TensorFlow."""

from nmtr_tf.errors import InputError
from nmtr_tf.evaluation.results import Evaluation
from nmtr_tf.runs.directory import RunDirectory


def stored_evaluation(directory: RunDirectory, split: str) -> Evaluation:
    """The last evaluation of a run on a split.

    Args:
        directory: The run's.
        split: "test" or "validation".

    Raises:
        InputError: If there is none, or it is of other settings or of another data set than the run.
    """
    stored, info = Evaluation.load(directory.path, split), directory.read_info()
    if stored.about.get("config_checksum") not in (None, "", info.config_checksum):
        raise InputError(
            f"{directory.path}: evaluated with other settings than config.json has; evaluate it again."
        )
    if stored.dataset_fingerprint != info.dataset_fingerprint:
        raise InputError(
            f"{directory.path}: evaluated on another data set than the run was trained on; evaluate it again."
        )
    return stored
