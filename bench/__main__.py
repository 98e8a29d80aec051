"""The command line: `python -m bench`. Has threads pinned, keeps the checkout off the path, and hands the work on.

Exit codes: 0; 1 a goal is missed and `--check` was given; 2 it could not be measured as asked (dezero_c not installed
or without a function that is to be measured, unknown names, no Matplotlib for `--plot`); 3 a contender's value or
gradient is wrong.
"""

import argparse
import datetime
import fnmatch
import json
import sys
from pathlib import Path

from . import environment


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Time dezero_c and its peers side by side; every gradient is checked before it is timed.",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these workloads only; 'chain-*' works too")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="these peers only, where installed")
    parser.add_argument("--no-peers", action="store_true", help="dezero_c, NumPy and plain Python only")
    parser.add_argument("--quick", action="store_true", help="few rounds, small graphs: a smoke test")
    parser.add_argument("--threads", type=int, default=1, help="measure what is shared out to so many threads, with as many")
    parser.add_argument("--slow", action="store_true", help="a million nodes for peers too: minutes, and gigabytes")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    parser.add_argument("--json", metavar="FILE", help="write all results; '-': to stdout, the table to stderr")
    parser.add_argument("--plot", metavar="FILE.png", help="draw a bar chart (needs Matplotlib)")
    parser.add_argument("--list", action="store_true", help="name the workloads and peers, and measure nothing")
    parser.add_argument("--probe", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error("--threads: at least 1")
    if options.peers and options.no_peers:
        parser.error("--peers and --no-peers exclude each other")
    for path in (options.json, options.plot):
        # Seen now, not after minutes of measuring.
        if path and path != "-" and not Path(path).absolute().parent.is_dir():
            parser.error(f"{path}: no such directory")
    return parser, options


def choose(parser, names, patterns, what):
    """The names that the patterns ask for, in their own order; a pattern that fits none is an error."""
    if not patterns:
        return list(names)
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            parser.error(f"no {what} is called {pattern!r}; there are: {', '.join(names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def show_list(workloads, peers):
    for workload in workloads.values():
        print(f"{workload.name:<22}{workload.title}; per {workload.unit}")
    print()
    for peer in peers.values():
        print(f"{peer.name:<22}{peer.label}{'' if peer.installed else ' (not installed)'}")


def build_document(package, names, workloads, settings, table_to):
    from . import report, runner
    from .peers import OURS, PEERS
    from .workloads import GROUPS, WORKLOADS

    adapters, absent = runner.load_peers(names)
    versions = {name: environment.version(PEERS[name].module) for name in adapters if PEERS[name].module}
    versions[OURS] = versions[OURS] or getattr(package, "__version__", "of no known version")
    document = {
        "schema": 2,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": settings.quick,
        "slow": settings.slow,
        "threads": environment.threads,
        "core": environment.describe_core(package),
        "machine": environment.describe_machine(),
        "versions": versions,
        "absent": absent,
        "with_gradients": [name for name in adapters if not getattr(adapters[name], "forward_only", False)],
    }
    print(report.header(document), file=table_to, flush=True)
    document["workloads"] = []
    for result in runner.run(workloads, adapters, settings):
        document["workloads"].append(result)
        print(f"\n{report.table(result)}", file=table_to, flush=True)
    document["groups"] = runner.group_results(document["workloads"], GROUPS, WORKLOADS.values())
    print(f"\n{report.summary(document)}", file=table_to, flush=True)
    return document


def main(arguments=None):
    parser, options = parse(arguments)
    # Both before the first import of NumPy or of a peer, hence the imports below.
    environment.pin_threads(options.threads)
    environment.leave_checkout()
    from . import memory, plot
    from .peers import OURS, PEERS
    from .records import QUICK, Settings, WrongResult
    from .workloads import WORKLOADS, threaded

    if options.threads > 1:
        WORKLOADS = threaded(WORKLOADS, options.threads)

    if options.list:
        show_list(WORKLOADS, PEERS)
        return 0
    if options.probe:
        workload, peer, n = options.probe
        print(json.dumps(memory.probe(WORKLOADS[workload], peer, int(n))))
        return 0
    always = [name for name, peer in PEERS.items() if not peer.optional]
    asked = always if options.no_peers else choose(parser, PEERS, options.peers, "peer") + always
    workloads = [WORKLOADS[name] for name in choose(parser, WORKLOADS, options.only, "workload")]
    if options.plot and not plot.available():
        return fail(plot.MISSING)
    try:
        package = environment.load_dezero_c()
    except environment.NotInstalled as error:
        return fail(error)
    settings = Settings(slow=options.slow, **(QUICK if options.quick else {}))
    names = [name for name in PEERS if name in asked]
    table_to = sys.stderr if options.json == "-" else sys.stdout
    try:
        document = build_document(package, names, workloads, settings, table_to)
    except WrongResult as error:
        return fail(f"wrong result, so nothing was timed: {error}", 3)
    if options.json:
        text = json.dumps(document, indent=1)
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n", encoding="utf-8")
    if options.plot:
        plot.draw(document, options.plot)
    lacking = [f"{each['name']}: {each['missing'][OURS]}" for each in document["workloads"] if OURS in each["missing"]]
    if lacking:
        return fail(f"dezero_c is without functions that are measured: {'; '.join(lacking)}")
    judged = document["workloads"] + document["groups"]
    missed = any(goal["met"] is False for each in judged for goal in each["goals"])
    return 1 if options.check and missed else 0


def fail(message, code=2):
    print(f"bench: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
