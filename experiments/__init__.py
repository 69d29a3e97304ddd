"""Commands: each module is run as `python -m experiments.<name>`."""
