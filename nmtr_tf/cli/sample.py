r"""Write a log to try everything on, as a shop would have it: who viewed, carted and bought what, when.

Examples:
    nmtr sample events.csv
    nmtr sample events.csv --items=items.csv --num_users=2000 --seed=1
"""

import shlex
from pathlib import Path

from absl import flags

from nmtr_tf.cli.console import say
from nmtr_tf.cli.flags import new_flags, run
from nmtr_tf.cli.typed import command
from nmtr_tf.data.sample import write_sample
from nmtr_tf.data.synthetic import BEHAVIORS
from nmtr_tf.errors import InputError
from nmtr_tf.texts import counted

FLAGS = new_flags()
_at = {"flag_values": FLAGS}
flags.DEFINE_string(
    "items", "", "File to write titles of the items to, a CSV with columns id and title.", **_at
)
flags.DEFINE_integer("num_users", 500, "Users of the shop.", **_at, lower_bound=10)
flags.DEFINE_integer("num_items", 150, "Items of the shop.", **_at, lower_bound=10)
flags.DEFINE_integer("seed", 0, "The same seed gives the same files.", **_at, lower_bound=0)
flags.DEFINE_bool("overwrite", False, "Replace files that stand there.", **_at)


def main(argv=None) -> int:
    """Entry point."""
    return run(_sample, FLAGS, __doc__, argv, takes_arguments=True)


def _sample(values: flags.FlagValues, paths: list[str]) -> None:
    if len(paths) != 1:
        raise InputError(f"One file to write is needed, such as events.csv. Received: {len(paths)}.")
    log, items = paths[0], values.items or None
    if items and Path(items).resolve() == Path(log).resolve():
        raise InputError(f"`items={items}` is the file of the log; name another.")
    for path in filter(None, (log, items)):
        if Path(path).is_dir() or (Path(path).exists() and not values.overwrite):
            hint = "a directory" if Path(path).is_dir() else "there already; --overwrite replaces it"
            raise InputError(f"{path} is {hint}.")
    count = write_sample(log, items, values.num_users, values.num_items, values.seed)
    also = f", titles of the items to {items}" if items else ""
    events, users = counted(count, "event"), counted(values.num_users, "user")
    say(values, f"{events} of {users} written to {log}{also}. To go on:")
    behaviors = ",".join(BEHAVIORS)
    path = shlex.quote(log)
    say(
        values,
        f"  {command('prepare')} --source=log --input={path} --behaviors={behaviors} --dataset_dir=out/mine",
    )
