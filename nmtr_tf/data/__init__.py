"""From raw logs to data sets and the training views of runs."""
