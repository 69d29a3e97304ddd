"""All that reproduces the paper: printed values, cells, tables, figures."""
