"""The commands: flags from the config, one call of the library, print."""
