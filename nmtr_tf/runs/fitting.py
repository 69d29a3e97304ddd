"""Training a method on a data set: the one place where a run is wired."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nmtr_tf.cluster import this_worker
from nmtr_tf.config import RunConfig
from nmtr_tf.data.dataset import Dataset
from nmtr_tf.data.pairs import histories_of
from nmtr_tf.files import new_file
from nmtr_tf.methods.model import build_model
from nmtr_tf.methods.times import times_of
from nmtr_tf.methods.unit_kinds import unit_name
from nmtr_tf.reporting.plots import plot_curves
from nmtr_tf.runs.checks import CHECKPOINT_EVERY, RunSetup, check_resume, checkpoint_interval, set_up
from nmtr_tf.runs.directory import RunDirectory
from nmtr_tf.runs.final import Origin
from nmtr_tf.runs.info import RunInfo, now, versions
from nmtr_tf.runs.recorder import EpochRecorder
from nmtr_tf.runs.resuming import Written, followed, shared_start
from nmtr_tf.runs.run import Run
from nmtr_tf.runs.warm_start import WarmStart
from nmtr_tf.training.device import set_device
from nmtr_tf.training.objectives import loss_name, make_objective, objective_name
from nmtr_tf.training.optimizers import make_optimizer, optimizer_name
from nmtr_tf.training.strategy import make_strategy
from nmtr_tf.training.summed import train_sum
from nmtr_tf.training.trainer import Trained, train
from nmtr_tf.workers import losing_workers


def fit(
    dataset: Dataset,
    config: RunConfig | None = None,
    *,
    workdir: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    optimizer: keras.optimizers.Optimizer | str | None = None,
    init_from: str | Path | Run | None = None,
    final_of: str | Path | Run | None = None,
    refit_of: str | Path | Run | None = None,
    overwrite: bool = False,
    resume: str = "auto",
    checkpoint_every: str = CHECKPOINT_EVERY,
    **options: Any,
) -> Run:
    """Trains a method on a data set.

    Args:
        dataset: The data set. If it is stored nowhere and there is a workdir, it is saved there.
        config: All options; None: the defaults.
        workdir: Run directory to write; None: everything stays in memory.
        callbacks: Keras callbacks; see `nmtr_tf.training.trainer.train` for the logs of an epoch.
        optimizer: In place of the config's: a name, or a Keras optimizer, which is copied.
        init_from: A finished run, or its directory, to start from: what the two have in common keeps its
            weights, the rest and the optimizer's state start new.
        final_of: An evaluated run, or its directory, whose settings are fitted on everything: all rows of its
            data set, held-out ones included, for as many epochs as its best weights took. `config` and
            options (but for `device` and `strategy`) are its own. Such a run cannot be evaluated: it is for
            use.
        refit_of: Likewise a finished run whose settings are fitted on what it held out for validation, but
            not on the test rows: such a run can be evaluated.
        overwrite: Whether a run in the workdir is replaced, a finished one too; implies `resume="never"`.
        resume: What becomes of an unfinished run in the workdir. "auto": it goes on from its last checkpoint,
            and ends with the weights and logs, on a CPU bit for bit, of one that was never cut; without a
            checkpoint the run begins. It has to be the same: its data set, config and versions. "never": the
            run begins. "must": there has to be a checkpoint. "force": as "auto", whatever has changed since,
            which run.json then says. Callbacks begin anew; what is to outlast a cut has to be in the model.
        checkpoint_every: Steps ("500") or minutes ("10m") between two checkpoints within an epoch; "0": there
            are none. At the end of each epoch there is one besides. Runs without a workdir have none.
        **options: Fields of the config by name, such as method="nmtr_gmf" or num_epochs=3.

    Returns:
        The finished run, with its best weights, or its last without validation.

    Raises:
        InputError: If an option fits neither the method nor the data, the workdir may not be written (then
            nothing is), or the loss is no longer finite.
        Interrupted: If the process got SIGINT or SIGTERM (Ctrl-C, kill) and the run has a workdir: the step
            is finished and a checkpoint written before. A second signal acts at once.
    """
    if optimizer is not None:
        options["optimizer"] = optimizer
    every = checkpoint_interval(checkpoint_every)
    check_resume(resume, overwrite)
    worker = this_worker(options.get("strategy", config.training.strategy if config else "none"))
    directory = RunDirectory(workdir) if workdir is not None and worker.is_chief else None
    if directory:
        directory.check_free(overwrite)
    origin = Origin.given(final_of, refit_of, dataset, directory.path if directory else None, config, options)
    config = origin.settings if origin else config or RunConfig()
    setup = set_up(named(config.with_options(**options)), dataset, on_everything=final_of is not None)
    if directory or worker.count > 1:
        setup.config.to_json()  # refused where a part has no name
    device = set_device(setup.config.training.device)  # before anything runs
    strategy = make_strategy(setup.config.training)
    if origin and origin.info.init_from:
        init_from = init_from or origin.info.init_from["run"]
    start = _warm_start(init_from, setup, directory) if init_from else None
    make_objective(setup.plan)
    make_optimizer(setup.config.training)
    with losing_workers(worker):
        model = _new_model(setup, strategy)
        info = _first_info(setup, model, device, start.apply(model, setup.view) if start else None, origin)
        with directory.writing(overwrite, dataset.directory) if directory else contextlib.nullcontext():
            again = "never" if overwrite else resume
            written = Written.find(directory, setup, info, again, every) if directory else None
            dataset, setup, info, history = _fit(dataset, setup, info, model, callbacks, written, origin)
    if strategy:  # what is asked of the run is asked of one device
        trained, model = model, _new_model(setup, None)
        model.set_weights(trained.get_weights())
    evaluation = origin.evaluation if origin else None
    return Run.of_training(dataset, setup, info, history, model, directory, evaluation)


def _new_model(setup: RunSetup, strategy: tf.distribute.Strategy | None) -> keras.Model:
    """The model before training, its variables on all replicas of a strategy; None: on the one device."""
    view, seed = setup.view, setup.config.training.seed
    histories = histories_of(view) if setup.plan.from_history else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        times = times_of(view, setup.plan)
        return build_model(setup.plan, view.num_users, view.num_items, seed, histories, times)


def _warm_start(init_from: str | Path | Run, setup: RunSetup, directory: RunDirectory | None) -> WarmStart:
    """What a finished run learned; it fits the new one."""
    start = WarmStart.of(init_from, directory.path if directory else None)
    start.check(setup.plan, setup.view)
    return start


def named(config: RunConfig) -> RunConfig:
    """The config with the registered name of every part that has one, in place of the part itself."""
    return config.with_options(
        units=tuple(map(unit_name, config.model.units)),
        loss=loss_name(config.training.loss),
        objective=objective_name(config.training.objective),
        optimizer=optimizer_name(config.training.optimizer),
    )


def _fit(
    dataset: Dataset,
    setup: RunSetup,
    info: RunInfo,
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    written: Written | None,
    origin: Origin | None,
) -> tuple[Dataset, RunSetup, RunInfo, list[dict[str, Any]]]:
    """Trains and records; whatever goes wrong, a run directory says so.

    Returns:
        The data set and the setup, as they are stored; what is known of the run; its records of epochs.
    """
    directory = written.directory if written else None
    with model.distribute_strategy.scope():
        earlier = shared_start(written.state if written else None, setup)
    if written and directory:
        info = written.begin(info, keep=dataset.directory)
        if dataset.directory is None:
            config = setup.config.with_options(dataset_dir=str(directory.home / "dataset"))
            setup = dataclasses.replace(setup, config=config)
        directory.create(setup.config, setup.view, info)
        if origin and origin.evaluation:
            origin.evaluation.save(directory.evaluated_dir)
    recorder = EpochRecorder(directory, earlier.notes if earlier else None)
    learn = functools.partial(train_sum if setup.plan.adds_linear else train, model, setup.plan)
    given = setup.view, setup.config, [recorder, *callbacks]
    try:
        if directory and dataset.directory is None:
            saved = dataset.save(directory.dataset_dir, overwrite=True)
            dataset = dataclasses.replace(saved, directory=directory.home / "dataset")
        if written and directory:
            with written.stoppable(recorder.notes) as checkpoints:
                trained = learn(*given, directory.best_checkpoint, checkpoints)
                info = _last_info(info, trained, recorder.seconds)
                _draw(directory, setup, dataset.name, recorder, info.best_epoch)
                written.finish(info)
        else:
            info = _last_info(info, learn(*given, checkpoints=followed(earlier, setup)), recorder.seconds)
    except BaseException as error:
        if directory and not directory.is_finished:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(OSError):  # a full disk, say, which is what went wrong before
                directory.write_info(dataclasses.replace(info, status=status))
        raise
    return dataset, setup, info, recorder.history


def _draw(
    directory: RunDirectory, setup: RunSetup, name: str, recorder: EpochRecorder, best_epoch: int | None
) -> None:
    """Draws curves.png."""
    training = setup.config.training
    title = f"{setup.plan.method.label}, {setup.view.protocol}, {name}, seed {training.seed}"
    with new_file(directory.curves_path) as path:
        plot_curves(recorder.history, path, title, training.monitor, best_epoch)


def _first_info(
    setup: RunSetup,
    model: keras.Model,
    device: str,
    init_from: dict[str, Any] | None,
    origin: Origin | None,
) -> RunInfo:
    return RunInfo(
        method=setup.plan.name,
        behaviors=setup.view.behaviors,
        protocol=setup.view.protocol,
        dataset_fingerprint=setup.view.fingerprint,
        num_users=setup.view.num_users,
        num_items=setup.view.num_items,
        seed=setup.config.training.seed,
        versions=versions(),
        started=now(),
        num_parameters=model.count_params(),
        device=device,
        num_replicas=model.distribute_strategy.num_replicas_in_sync,
        init_from=init_from,
        final_of=origin.name if origin and origin.option == "final_of" else None,
        refit_of=origin.name if origin and origin.option == "refit_of" else None,
    )


def _last_info(info: RunInfo, trained: Trained, seconds: float) -> RunInfo:
    return dataclasses.replace(
        info,
        status="finished",
        best_epoch=trained.best_epoch,
        best_value=trained.best_value if trained.best_epoch else None,
        seconds=round(seconds, 1),
        num_evaluated=trained.num_evaluated,
        stage_epochs=trained.stage_epochs,
        chosen=trained.chosen,
    )
