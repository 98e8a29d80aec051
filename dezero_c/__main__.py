"""The command line: `python -m dezero_c`. Reads the arguments; each command is a module of its own."""

from __future__ import annotations

import sys

USAGE = """\
usage: python -m dezero_c script.py [args ...]        run a DeZero program
       python -m dezero_c notebook.ipynb [args ...]   run a notebook's code cells, in its directory, without Jupyter
       python -m dezero_c -m module [args ...]        run a module, as python -m does
       python -m dezero_c --simple-core ...           any of these, with gradients as in the book's steps 23 to 32
       python -m dezero_c --profile [--sort KEY] [--top N] [--html FILE] [--json FILE] ...
                                                      any of these, with a report of what is slow, on stderr
       python -m dezero_c tour                        see the book's first chapter, computed live
       python -m dezero_c info                        show versions, SIMD level, BLAS, threads, compiled core
       python -m dezero_c --version | --help

Programs run unmodified: `import dezero` and `from chapter1 import *` give them dezero_c.
A script called tour or info is run by its path: python -m dezero_c ./tour
"""


def main(args: list[str]) -> int:
    """Run one command line (without the program name); returns the exit status."""
    first = args[0] if args else ""
    if first in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if first in ("-V", "--version"):
        import dezero_c

        print(f"dezero_c {dezero_c.__version__}")
        return 0
    if first in ("tour", "info"):
        if args[1:]:
            return _misused(f"{first} takes no arguments")
        if first == "tour":
            from dezero_c._run import tour as command
        else:
            from dezero_c._run import info as command  # type: ignore[no-redef]
        return command.main()
    if first == "--profile":
        from dezero_c._profiling import _command

        options = _command.Options()
        try:
            rest = options.take(args[1:])
        except ValueError as error:
            return _misused(str(error))
        if not rest or rest[0] in ("--profile", "tour", "info") \
                or (rest[0].startswith("-") and rest[0] not in ("-m", "--simple-core")):
            return _misused(f"--profile needs a program, not {rest[0]}" if rest else "--profile needs a program")
        with _command.reporting(options):
            return main(rest)

    from dezero_c._run import runner

    if first == "--simple-core":
        from dezero_c import dropin

        dropin.install(simple_core=True)
        args = args[1:]
        first = args[0] if args else ""
        if first == "--profile":
            return main(args)
    if first == "-m":
        return runner.run_module(args[1], args[2:]) if args[1:] else _misused("-m needs the name of a module")
    if not first or first.startswith("-"):
        return _misused(f"unknown option {first}" if first else "nothing to run")
    if first.endswith(".ipynb"):
        return runner.run_notebook(first, args[1:])
    return runner.run_script(first, args[1:])


def _misused(message: str) -> int:
    print(f"dezero_c: {message}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status:  # no sys.exit(0): `python -i -m dezero_c script.py` is to end in the prompt, without a SystemExit shown
        sys.exit(status)
