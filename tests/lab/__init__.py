"""A real world on one machine: a host in a network namespace, and all that a host of machines needs.

A lab is an engine of Debian's own, a name server, the driver under gunicorn, and an outside world that has no
route back to the machines. `world.Lab` holds them together; `python -m tests.lab --help` works them by hand.
"""
