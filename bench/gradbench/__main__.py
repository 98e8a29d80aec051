"""The command line: `python -m bench.gradbench` is a tool that GradBench's runner starts, `--compare` times it beside its peers.

    ./gradbench run --eval "./gradbench repo eval llsq" --tool "python -m bench.gradbench"
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path

from .. import environment
from . import EVALUATIONS


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m bench.gradbench",
        description="Answer GradBench's messages on standard input, or time the evaluations beside JAX, PyTorch and autograd.",
    )
    parser.add_argument("--compare", action="store_true", help="time objectives and derivatives, two sizes, and print tables")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=["*"], help="with --compare: these; 'l*' works too")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="with --compare: these peers only, where installed")
    parser.add_argument("--quick", action="store_true", help="with --compare: small inputs, few rounds: a smoke test")
    parser.add_argument("--json", metavar="FILE", help="with --compare: write all results")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and of dezero_c")
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error("--threads: at least 1")
    if not options.compare and (options.only != ["*"] or options.peers or options.quick or options.json):
        parser.error("--only, --peers, --quick and --json go with --compare")
    if options.json and not Path(options.json).absolute().parent.is_dir():
        parser.error(f"{options.json}: no such directory")
    for pattern in options.only:
        if not fnmatch.filter(EVALUATIONS, pattern):
            parser.error(f"no evaluation is called {pattern!r}; there are: {', '.join(EVALUATIONS)}")
    # Both before the first import of NumPy or of a peer, hence the imports below.
    environment.pin_threads(options.threads)
    environment.leave_checkout()
    try:
        environment.load_dezero_c()
    except environment.NotInstalled as error:
        print(f"bench.gradbench: {error}", file=sys.stderr)
        return 2
    if not options.compare:
        from . import protocol

        return protocol.main()
    from ..records import WrongResult
    from . import compare
    from .spaces import PEERS

    unknown = sorted(set(options.peers or ()) - set(PEERS))
    if unknown:
        parser.error(f"no peer is called {unknown[0]!r}; there are: {', '.join(PEERS)}")
    names = [name for name in EVALUATIONS if any(fnmatch.fnmatchcase(name, pattern) for pattern in options.only)]
    try:
        document = compare.run(names, options.peers or list(PEERS), options.quick)
    except WrongResult as error:
        print(f"bench.gradbench: wrong result, so nothing was timed: {error}", file=sys.stderr)
        return 3
    print(compare.table(document))
    if options.json:
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
