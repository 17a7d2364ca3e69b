"""`python -m ecbsr_mobile`: the same as the command `ecbsr`."""

from .cli.scripts import ecbsr

if __name__ == "__main__":
    ecbsr()
