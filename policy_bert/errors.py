"""Errors that tell a user what to change."""


class UserError(Exception):
    """A mistake of the user's: one line saying what was expected, what was found and what to do.

    Commands print it to stderr and end with status 2; a bug keeps its traceback.
    """


class ConfigError(UserError):
    """A configuration file or an override does not fit the configuration's fields."""


class CheckpointError(UserError):
    """A model cannot be found, downloaded or loaded, or contradicts its label scheme."""


class DataError(UserError):
    """An input file cannot be read, or its rows are not what they should be."""
