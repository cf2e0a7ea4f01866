"""The trigger path of ECON-T, a step or an algorithm a file."""
