"""The order of a module's functions: the most called ones first, then each next to those that it resembles.

A call of the first 128 functions takes one byte less. gzip finds repetitions within 32 KiB, the nearer the cheaper: alike
functions side by side make the others smaller. Nothing else depends on the order.
"""
from collections import Counter, deque

from wasm import CALL, CODE, ELEMENT, EXPORT, GLOBAL, REF_FUNC, START, Reader, read_name, skip_operands, unsigned

WINDOW = 30000  # bytes that gzip's window holds, less what lies between
SHINGLES = (3, 5)  # likeness: runs of that many instructions which two functions share
COMMON = 60  # runs that more functions have tell nothing
SIZE_POWER = 0.7  # of a function's bytes, by which what it shares is divided: 1 takes tiny functions too early


def shingles(functions):
    """For each function: the numbers of its runs of instructions, whatever local or function they name."""
    numbers, found = {}, []
    for f in functions:
        code = [i if isinstance(i, bytes) else i[0] if i[0] != CALL else i for i in f.code]
        runs = {numbers.setdefault(tuple(code[at:at + n]), len(numbers)) for n in SHINGLES for at in range(len(code) - n + 1)}
        found.append(sorted(runs))
    return found


def by_likeness(functions, first):
    """All functions' numbers: `first`, then always the one that shares most with the window's worth before it."""
    runs = shingles(functions)
    size = [4 + sum(len(i) for i in f.code) for f in functions]  # (opcode, index) takes two bytes as well
    owners = [[] for _ in range(1 + max((r[-1] for r in runs if r), default=-1))]
    for number, found in enumerate(runs):
        for run in found:
            owners[run].append(number)
    weight = [(len(o) - 1) ** -0.5 if 1 < len(o) <= COMMON else 0 for o in owners]
    in_window, shared, window = [0] * len(owners), [0.0] * len(functions), deque()

    def count(number, step):
        for run in runs[number]:
            if weight[run]:
                in_window[run] += step
                if in_window[run] == (step + 1) // 2:  # came first, or went last
                    for other in owners[run]:
                        shared[other] += step * weight[run]

    order, left = list(first), set(range(len(functions))) - set(first)
    scale, used, added = [s ** SIZE_POWER for s in size], 0, 0
    while True:
        for number in order[added:]:
            window.append(number)
            used += size[number]
            count(number, 1)
        added = len(order)
        while used > WINDOW and len(window) > 1:
            used -= size[window[0]]
            count(window.popleft(), -1)
        if not left:
            return order
        order.append(max(left, key=lambda n: (shared[n] / scale[n], -n)))
        left.discard(order[-1])


def renumber(kind, data, new):
    """A section with the functions' new numbers."""
    r = Reader(data)
    if kind == EXPORT:
        out = bytearray(unsigned(r.unsigned()))
        while r.at < len(data):
            name, what, index = read_name(r), r.bytes(1), r.unsigned()
            out += unsigned(len(name)) + name + what + unsigned(new[index] if what == b"\0" else index)
        return bytes(out)
    if kind == START:
        return unsigned(new[r.unsigned()])
    if kind == ELEMENT:
        out = bytearray(unsigned(r.unsigned()))
        while r.at < len(data):
            start = r.at
            if r.unsigned() != 0 or r.bytes(1) != b"\x41":
                raise ValueError("a table's segment that is not functions at a constant place")
            r.skip(1)
            r.at += 1  # the constant's end
            out += data[start:r.at]
            count = r.unsigned()
            out += unsigned(count) + b"".join(unsigned(new[r.unsigned()]) for _ in range(count))
        return bytes(out)
    if kind == GLOBAL:  # numbers and addresses only
        for _ in range(r.unsigned()):
            r.at += 2
            while (op := r.bytes(1)[0]) != 0x0B:
                if op == REF_FUNC:
                    raise ValueError("a global that is a function")
                skip_operands(r, op)
    elif kind == 0 and read_name(r) == b"name":
        raise ValueError("names of functions (strip them)")
    return data


def order_functions(module):
    functions, imported = module.functions, module.imported
    if any(i[0] == REF_FUNC for f in functions for i in f.code):
        raise ValueError("a function as a value (ref.func)")
    calls = Counter(i[1] - imported for f in functions for i in f.code if i[0] == CALL and i[1] >= imported)
    most = sorted(calls, key=lambda n: (-calls[n], n))[:max(0, 128 - imported)]
    order = by_likeness(functions, most)
    new = list(range(imported)) + [0] * len(order)
    for place, number in enumerate(order):
        new[imported + number] = imported + place
    for section in module.sections:
        if section[0] != CODE:
            section[1] = renumber(*section, new)
    module.functions = [functions[number]._replace(code=[(CALL, new[i[1]]) if i[0] == CALL else i for i in functions[number].code]) for number in order]
    return order
