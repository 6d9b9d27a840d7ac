"""To come."""


def run(lib, sandbox, options):
    return 0, 0, 0
