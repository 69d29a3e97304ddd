"""Fresh processes that train and evaluate other packages; they import neither TensorFlow nor nmtr_tf.

Arguments: the name of one and a folder with purchases.npz, see `read_purchases`. Prints, as JSON, the
package's version, positives a second in training and users a second in full ranking: medians of five.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

_REPEATS = 5
_BATCH_SIZE, _NUM_NEGATIVES, _DIM, _TOWER = 2048, 4, 64, [64, 32, 16]  # as this project's defaults
_RECBOLE_USERS = 256  # it ranks pair by pair: a sample
_TOP = 200


def main() -> None:
    """Runs one package."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    sys.argv = sys.argv[:1]  # RecBole reads them too
    matrix, test = read_purchases(folder)
    run = {"recbole": _recbole, "implicit": _implicit}[name]
    print(json.dumps({"version": version(name), **run(folder, matrix, test)}))


def read_purchases(folder: Path) -> tuple[sparse.csr_matrix, np.ndarray]:
    """What `other_packages.write_purchases` wrote: a binary matrix and the test pairs."""
    purchases = np.load(folder / "purchases.npz")
    parts = purchases["indices"], purchases["indptr"]
    ones = np.ones(len(parts[0]), np.float32)
    return sparse.csr_matrix((ones, *parts), (len(parts[1]) - 1, purchases["num_items"])), purchases["test"]


def _recbole(folder: Path, matrix: sparse.csr_matrix, test: np.ndarray) -> dict[str, float]:
    """NeuMF with this project's sizes, optimizer and negatives."""
    # RecBole 1.2.1 asks for names that NumPy 2 no longer has.
    for old, new in {"float_": "float64", "complex_": "complex128", "unicode_": "str_"}.items():
        if not hasattr(np, old):
            setattr(np, old, getattr(np, new))
    os.chdir(folder)  # it writes logs to where it is
    configs, data, utils = (
        importlib.import_module(f"recbole.{name}") for name in ("config", "data", "utils")
    )
    test = test[:_RECBOLE_USERS]
    pairs = {"train": np.stack(matrix.nonzero(), axis=1), "valid": test, "test": test}
    (folder / "purchases").mkdir()
    for part, rows in pairs.items():
        path = folder / "purchases" / f"purchases.{part}.inter"
        np.savetxt(path, rows, "%d", "\t", header="user_id:token\titem_id:token", comments="")
    config = configs.Config(model="NeuMF", dataset="purchases", config_dict=_recbole_options(folder))
    utils.init_seed(0, True)
    train_data, _, test_data = data.data_preparation(config, data.create_dataset(config))
    model = utils.get_model("NeuMF")(config, train_data.dataset)
    trainer = utils.get_trainer(config["MODEL_TYPE"], "NeuMF")(config, model)
    epoch = _median_seconds(lambda: trainer._train_epoch(train_data, 0, show_progress=False))
    ranking = _median_seconds(lambda: trainer.evaluate(test_data, load_best_model=False))
    return {"positives": matrix.nnz / epoch, "users": len(test) / ranking}


def _recbole_options(folder: Path) -> dict[str, Any]:
    return {
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "use_gpu": False,
        "state": "ERROR",
        "show_progress": False,
        "mf_embedding_size": _DIM,
        "mlp_embedding_size": _DIM,
        "mlp_hidden_size": _TOWER,
        "dropout_prob": 0.0,
        "learner": "adagrad",
        "learning_rate": 0.01,
        "train_batch_size": _BATCH_SIZE * (1 + _NUM_NEGATIVES),
        "train_neg_sample_args": {
            "distribution": "uniform",
            "sample_num": _NUM_NEGATIVES,
            "alpha": 1.0,
            "dynamic": False,
            "candidate_num": 0,
        },
        "eval_batch_size": 65_536,
        "metrics": ["Hit", "NDCG"],
        "topk": [100],
        "valid_metric": "NDCG@100",
    }


def _implicit(folder: Path, matrix: sparse.csr_matrix, test: np.ndarray) -> dict[str, float]:
    """BPR, one negative a positive as it always has; its ranking is a list of the best items."""
    bpr = importlib.import_module("implicit.cpu.bpr")
    seconds: list[float] = []
    model = bpr.BayesianPersonalizedRanking(
        factors=_DIM, learning_rate=0.01, iterations=_REPEATS + 1, random_state=0
    )
    model.fit(matrix, show_progress=False, callback=lambda epoch, elapsed, *_: seconds.append(elapsed))
    users = test[:, 0]

    def rank() -> None:
        for first in range(0, len(users), 1024):
            some = users[first : first + 1024]
            model.recommend(some, matrix[some], N=min(_TOP, matrix.shape[1]))

    ranking = _median_seconds(rank)
    return {"positives": matrix.nnz / float(np.median(seconds[1:])), "users": len(users) / ranking}


def _median_seconds(call: Callable[[], object]) -> float:
    """Median of five calls after a first one."""
    seconds = []
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


if __name__ == "__main__":
    main()
