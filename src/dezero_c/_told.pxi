# What the events of a trace say, by which two traces are compared (dezero_c/_capture/compare.py). Part of _plan.pyx.

def told(list events, dict numbers, same, rest):
    """What each event says, with numbers for Variables: those of `numbers` (by address), and for others that appear later the
    next ones; same(v) stands for a Variable from outside. rest(event) tells of the events that are rare; it finds and extends
    numbers too."""
    cdef list out = []
    cdef tuple event
    cdef Function f
    cdef Variable v
    cdef object number
    cdef str kind
    for event in events:
        kind = event[0]
        if kind == "op":
            f = event[1]
            if len(<tuple> event[3]) == 1 and f.attrs == NULL and is_exact(f) and not f.general_params:
                parts = [kind, type(f), None if f.given is None else parameters_key(f.given), event[4], event[5]]
                for v in <tuple> event[2]:
                    number = numbers.get(<size_t> <void *> v)
                    parts.append(same(v) if number is None else number)
                v = (<tuple> event[3])[0]
                numbers[<size_t> <void *> v] = len(numbers) + 1
                out.append(parts)
                continue
        elif kind == "step":
            f = event[1]
            parts = [kind, type(f), event[2]]
            for v in inputs(f):
                number = numbers.get(<size_t> <void *> v)
                parts.append(same(v) if number is None else number)
            out.append(parts)
            continue
        elif kind == "const":
            number = event[2]
            if type(number) is float and number == number and number != 0 or type(number) is int:
                numbers[<size_t> <void *> event[1]] = len(numbers) + 1
                out.append([kind, type(number), number])
                continue
        elif kind == "grad" and event[2] is None:
            number = numbers.get(<size_t> <void *> event[1])
            out.append([kind, same(event[1]) if number is None else number, None])
            continue
        out.append(rest(event))
    return out
