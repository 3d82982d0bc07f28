"""The run-time type checker of the tests: annotations of shapes are assertions here, and free in production."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for every type checker
