"""What fullhost costs, measured beside what a user would take instead: `python -m tests.bench --help`.

Everything is a ratio within one run: rounds are paired, what is compared takes turns, and both numbers are shown.
Nothing in here is a test; tests/system/test_bench.py only proves that each benchmark works.
"""
