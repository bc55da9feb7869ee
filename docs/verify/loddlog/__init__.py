"""The parts of lodd_verify.py. Python 3.9 or later and nothing else."""
