"""The numbers of locals, chosen so that code resembles the code before it.

A third of a module's code is instructions that name a local, and which number a value lives in is free as long as values that
are needed at the same time have different ones. gzip wants equal code to have equal bytes. So each function's values are
recoloured, as in register allocation: starting from the numbers that wasm-opt chose, a random value gets another number
(those in its way take the old one: a Kempe chain), and what does not lengthen the function after DEFLATE with the 32 KiB
before it is kept.

Before that the locals are declared in one order of types, each type an even number of times: declarations are more alike, and
the one local more that a type may get is room for the recolouring (2.3 kB of 11.5 after gzip). It costs the engine a zero.

The random numbers are always the same, and so is the result of one zlib; another zlib may take other ways.
"""
import zlib

from wasm import LOCAL_GET, LOCALS, Reader, body_bytes, locals_bytes, unsigned

TRIES = 30  # moves for each value; three times as many gain 0.6 kB more and take three times as long
TYPES = bytes([0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0x70, 0x6F])  # i32, i64, f32, f64, v128, funcref, externref
WINDOW = 32700  # bytes that DEFLATE looks back, less a longest match


def declare_evenly(function, parameters):
    """The same function, its locals in the order of TYPES, an even number of each."""
    declared, new = b"", list(range(parameters + len(function.locals)))
    for t in TYPES:
        number = parameters + len(declared)
        for local, its_type in enumerate(function.locals):
            if its_type == t:
                new[parameters + local] = number
                number += 1
        count = function.locals.count(t)
        declared += bytes([t]) * (count + count % 2)
    return function._replace(locals=declared, code=[(i[0], new[i[1]]) if i[0] in LOCALS else i for i in function.code])


def targets(code):
    """For each instruction that may go elsewhere than to the next: where to; the next too, where that is possible."""
    to, open_blocks = {}, []  # an open block: [is a loop, its first instruction, who goes to its end]
    last = len(code) - 1
    open_blocks.append([False, 0, []])
    for at, i in enumerate(code):
        op = i[0]
        if op in (0x02, 0x03, 0x04):  # block, loop, if
            open_blocks.append([op == 0x03, at, []])
            if op == 0x04:
                to[at] = [at + 1]
                open_blocks[-1].append(at)  # goes to `else`, or to the end
        elif op == 0x05:  # else: the first half ends here and goes to the end
            block = open_blocks[-1]
            to[block.pop()].append(at + 1)
            to[at] = []
            block[2].append(at)
        elif op == 0x0B:  # end
            block = open_blocks.pop()
            for source in block[2] + block[3:]:
                to[source].append(at)
            if at == last:
                to[at] = []
        elif op in (0x0C, 0x0D, 0x0E):  # br, br_if, br_table
            r = Reader(i, 1)
            count = r.unsigned() + 1 if op == 0x0E else 1
            to[at] = [at + 1] if op == 0x0D else []
            for block in {id(b): b for b in (open_blocks[-1 - r.unsigned()] for _ in range(count))}.values():
                if block[0]:
                    to[at].append(block[1])
                else:
                    block[2].append(at)
        elif op in (0x00, 0x0F):  # unreachable, return
            to[at] = []
    return to


def basic_blocks(code):
    """(first, end, numbers of those that may follow), in the order of the code."""
    to = targets(code)
    starts = {0} | {t for ts in to.values() for t in ts} | {at + 1 for at in to if at + 1 < len(code)}
    starts = sorted(starts)
    number = {at: n for n, at in enumerate(starts)}
    ends = starts[1:] + [len(code)]
    return [(a, e, [number[t] for t in to.get(e - 1, [e])]) for a, e in zip(starts, ends)]


def bits(mask):
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


def live_at_start(code, blocks):
    """For each block: the locals that it, or what may follow, reads before they are written; a bit each."""
    reads, writes = [], []
    for first, end, _ in blocks:
        read = written = 0
        for op, index in (i for i in code[first:end] if i[0] in LOCALS):
            if op != LOCAL_GET:
                written |= 1 << index
            elif not written >> index & 1:
                read |= 1 << index
        reads.append(read)
        writes.append(written)
    live, changed = list(reads), True
    while changed:
        changed = False
        for n in reversed(range(len(blocks))):
            after = 0
            for follower in blocks[n][2]:
                after |= live[follower]
            now = reads[n] | after & ~writes[n]
            changed |= now != live[n]
            live[n] = now
    return live


class Values:
    """The values of a function's locals: what a write makes and all reads that may see it, with whatever else they may see.

    at: {instruction: value}; local: each value's local so far; entry: {local: value} of those that exist when the function
    begins; rivals: for each value those that exist where it is written, or the other way round.
    """

    def __init__(self, code):
        blocks = basic_blocks(code)
        live = live_at_start(code, blocks)
        parent, made = [], []  # union-find over parts of values; the local of each part

        def part(local):
            parent.append(len(parent))
            made.append(local)
            return parent[-1]

        def root(p):
            while parent[p] != p:
                parent[p] = p = parent[parent[p]]
            return p

        begin = [{local: part(local) for local in bits(mask)} for mask in live]
        at = {}
        for n, (first, end, followers) in enumerate(blocks):
            now = dict(begin[n])
            for place in range(first, end):
                if code[place][0] in LOCALS:
                    op, local = code[place]
                    if op != LOCAL_GET:
                        now[local] = part(local)
                    at[place] = now[local]
            for follower in followers:
                for local, p in begin[follower].items():
                    parent[root(now[local])] = root(p)
        numbers = {}
        name = lambda p: numbers.setdefault(root(p), len(numbers))
        self.at = {place: name(p) for place, p in at.items()}
        begin = [{local: name(p) for local, p in b.items()} for b in begin]
        self.entry = begin[0]
        self.local = [made[p] for p in numbers]
        self.rivals = self._rivals(code, blocks, begin)

    def _rivals(self, code, blocks, begin):
        rivals = [set() for _ in self.local]

        def meet(value, others):
            rivals[value] |= others - {value}
            for other in others:
                if other != value:
                    rivals[other].add(value)

        for first, end, followers in blocks:
            live = {value for f in followers for value in begin[f].values()}
            for place in range(end - 1, first - 1, -1):
                if code[place][0] == LOCAL_GET:
                    live.add(self.at[place])
                elif place in self.at:
                    live.discard(self.at[place])
                    meet(self.at[place], live)
        for value in self.entry.values():
            meet(value, set(self.entry.values()))
        for value, others in enumerate(rivals):
            if any(self.local[value] == self.local[other] for other in others):
                raise ValueError("two values in one local at once")  # this file would be wrong, not the module
        return rivals


class Dice:
    """Knuth's MMIX generator: the same numbers with every Python."""

    def __init__(self):
        self.state = 1

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return (self.state >> 33) % n


class Recolouring:
    """One function's values and their numbers while they are tried."""

    def __init__(self, function, parameters):
        self.function, self.values = function, Values(function.code)
        types = parameters + function.locals
        self.numbers = list(self.values.local)
        self.choices = [[n for n, t in enumerate(types) if t == types[local]] for local in self.values.local]
        fixed = {v for local, v in self.values.entry.items() if local < len(parameters)}
        zero = {v for local, v in self.values.entry.items() if local >= len(parameters)}  # never in a parameter, which has its argument
        self.allowed = [{self.numbers[v]} if v in fixed else {n for n in c if n >= len(parameters)} if v in zero else set(c) for v, c in enumerate(self.choices)]
        self.free = [v for v in range(len(self.numbers)) if len(self.allowed[v]) > 1]
        self.bytes, self.places = bytearray(locals_bytes(function.locals)), [[] for _ in self.numbers]
        for place, i in enumerate(function.code):
            if i[0] in LOCALS:
                self.bytes.append(i[0])
                self.places[self.values.at[place]].append(len(self.bytes))
                self.bytes.append(i[1])
            else:
                self.bytes += i if isinstance(i, bytes) else bytes([i[0]]) + unsigned(i[1])
        self.size = unsigned(len(self.bytes))

    def move(self, dice):
        """{value: number} of a random step that keeps rivals apart; None: it is none."""
        value = self.free[dice.below(len(self.free))]
        choices = self.choices[value]
        old, new = self.numbers[value], choices[dice.below(len(choices))]
        if old == new:
            return None
        moved, left = {value: new}, [value]
        while left:
            value = left.pop()
            number = moved[value]
            if number not in self.allowed[value]:
                return None
            for rival in self.values.rivals[value]:
                if self.numbers[rival] == number and rival not in moved:
                    moved[rival] = old if number == new else new
                    left.append(rival)
        return moved

    def write(self, values, number):
        for value in values:
            for place in self.places[value]:
                self.bytes[place] = number[value]

    def improve(self, before, dice):
        # memory level 7: a state small enough to copy fast; fixed codes: a size that the bytes before have no part in
        start = zlib.compressobj(6, zlib.DEFLATED, -15, 7, zlib.Z_FIXED)
        start.compress(before)
        start.flush(zlib.Z_SYNC_FLUSH)

        def size():
            deflate = start.copy()
            return len(deflate.compress(self.size + self.bytes)) + len(deflate.flush())

        best = size()
        for _ in range(TRIES * len(self.free)):
            moved = self.move(dice)
            if moved:
                self.write(moved, moved)
                now = size()
                if now <= best:
                    best = now
                    for value, number in moved.items():
                        self.numbers[value] = number
                else:
                    self.write(moved, self.numbers)

    def result(self):
        code = [(i[0], self.numbers[self.values.at[place]]) if i[0] in LOCALS else i for place, i in enumerate(self.function.code)]
        return self.function._replace(code=code)


def choose_local_numbers(module):
    before, dice = b"", Dice()
    for n, function in enumerate(module.functions):
        parameters = module.types[function.type][0]
        even = declare_evenly(function, len(parameters))
        if len(parameters) + len(even.locals) <= 128:  # numbers of one byte
            module.functions[n] = function = even
            recolouring = Recolouring(function, parameters)
            if recolouring.free:
                recolouring.improve(before, dice)
                module.functions[n] = recolouring.result()
        before = (before + body_bytes(module.functions[n]))[-WINDOW:]
