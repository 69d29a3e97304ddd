"""The one exception for input that a user can mend."""


class InputError(ValueError):
    """Bad input: a flag, a file, a row. The message says what, where, what was expected and what came.

    Commands print it as one line and exit with status 2; anything else is a defect of this project
    and keeps its traceback.
    """
