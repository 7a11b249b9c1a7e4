"""The commands of `fhv`, a module for each of their families; the root and the life of a machine are in `cli`."""
