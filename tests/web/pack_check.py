"""Checks web/pack: pack_check.py BEFORE AFTER, a module before the last step of its link and after it.

Which writes a read may see is found here by walking the blocks as they are nested, without what web/pack/local_numbers.py uses.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "web/pack"))
from constants import shorten_constants
from function_order import order_functions
from local_numbers import choose_local_numbers
from wasm import FUNCTION, LOCAL_GET, LOCALS, Module, Reader, unsigned


class Reaching:
    """reads: {place of a local.get: the writes it may see}, as bits: arguments, then 'zero', then the places of writes."""

    def __init__(self, function, parameters):
        self.code, self.parameters, self.reads, self.heads = function.code, parameters, {}, {}
        start = [1 << min(n, parameters) for n in range(parameters + len(function.locals))]
        self.walk(0, start, [])

    @staticmethod
    def merged(a, b):
        return b if a is None else a if b is None else [x | y for x, y in zip(a, b)]

    def block(self, at, state, labels):
        """A block, loop or if at `at`: (where its end is, the state after it)."""
        op = self.code[at][0]
        if op == 0x03:
            self.heads[at] = self.merged(self.heads.get(at), state)
            while True:
                label = [self.heads[at]]
                end, out = self.walk(at + 1, list(self.heads[at]) if self.heads[at] else None, labels + [label])
                if label[0] == self.heads[at]:
                    return end, out
                self.heads[at] = label[0]
        label = [None]
        end, out = self.walk(at + 1, list(state) if state else None, labels + [label])
        if self.code[end][0] == 0x05:
            label[0] = self.merged(label[0], out)
            end, out = self.walk(end + 1, list(state) if state else None, labels + [label])
        elif op == 0x04:
            out = self.merged(out, state)
        return end, self.merged(out, label[0])

    def walk(self, at, state, labels):
        """From `at` to the `else` or `end` that belongs to it; state None: nothing comes here."""
        while True:
            i = self.code[at]
            op = i[0]
            if op in (0x05, 0x0B):
                return at, state
            if op in (0x02, 0x03, 0x04):
                at, state = self.block(at, state, labels)
            elif state is not None:
                if op == LOCAL_GET:
                    self.reads[at] = self.reads.get(at, 0) | state[i[1]]
                elif op in LOCALS:
                    state = list(state)
                    state[i[1]] = 1 << self.parameters + 1 + at
                elif op in (0x0C, 0x0D, 0x0E):
                    r = Reader(i, 1)
                    for _ in range(r.unsigned() + 1 if op == 0x0E else 1):
                        depth = r.unsigned()
                        if depth < len(labels):  # the outermost is the function's end
                            labels[-1 - depth][0] = self.merged(labels[-1 - depth][0], state)
                if op in (0x00, 0x0C, 0x0E, 0x0F):
                    state = None
            at += 1


def check_same(before, after):
    """The functions of both, in the same order: the same but for numbers of locals, and these without a difference."""
    assert len(before.functions) == len(after.functions)
    renumbered = 0
    for number, (a, b) in enumerate(zip(before.functions, after.functions)):
        parameters = before.types[a.type][0]
        assert a.type == b.type, f"function {number}: another type"
        types = [parameters + a.locals, parameters + b.locals]
        assert len(a.code) == len(b.code), f"function {number}: other code"
        for i, j in zip(a.code, b.code):
            assert i == j if i[0] not in LOCALS else (i[0], types[0][i[1]]) == (j[0], types[1][j[1]]), f"function {number}: {i} became {j}"
        assert Reaching(a, len(parameters)).reads == Reaching(b, len(parameters)).reads, f"function {number}: a read sees another write"
        renumbered += a.code != b.code
    return renumbered


def check_file(before, after):
    first, packed = Module(Path(before).read_bytes()), Module(Path(after).read_bytes())
    shorten_constants(first)
    order_functions(first)
    others = [[s for s in module.sections if s[0] != FUNCTION] for module in (first, packed)]  # types of functions: check_same
    assert others[0] == others[1], "another section than the code differs"
    renumbered = check_same(first, packed)
    assert renumbered > len(packed.functions) // 4, f"only {renumbered} functions with other numbers: not packed?"
    print(f"note: {renumbered} of {len(packed.functions)} functions with other numbers of locals")


def section(kind, *items):
    data = unsigned(len(items)) + b"".join(items)
    return bytes([kind]) + unsigned(len(data)) + data


def small_module():
    """Exports f(n) = fib(n) + 1000 * (n + sum of 1..n) + 100000 by a start function, a table and a loop; 7 is an import's number."""
    name = lambda s: bytes([len(s)]) + s.encode()
    body = lambda declared, code: unsigned(len(declared) + len(code)) + declared + code
    types = section(1, b"\x60\x01\x7f\x01\x7f", b"\x60\0\0")  # i32 -> i32, nothing -> nothing
    imports = section(2, name("e") + name("seven") + b"\0\0")
    functions = section(3, b"\1", b"\0", b"\0", b"\0")  # 1: start, 2: fib, 3: sums, 4: f
    table, globals_ = section(4, b"\x70\0\1"), section(6, b"\x7f\1\x41\0\x0b")
    exports, start = section(7, name("f") + b"\0\4", name("sums") + b"\0\3"), b"\x08\1\1"
    elements = section(9, b"\0\x41\0\x0b\1\2")
    begin = body(b"\0", b"\x41\xa0\x8d\6\x24\0\x0b")  # global 0 = 100000
    fib = body(b"\0", b"\x20\0\x41\2\x48\x04\x7f\x20\0\x05"
               b"\x20\0\x41\1\x6b\x10\2\x20\0\x41\2\x6b\x10\2\x6a\x0b\x0b")
    # a = b = 0; do { a += n; b = a + 0 } while (n -= 1); the argument's n again in another local: n + sum
    sums = body(b"\1\4\x7f", b"\x20\0\x21\3\x02\x40\x20\0\x45\x0d\0\x03\x40\x20\1\x20\0\x6a\x22\2\x21\1\x20\0\x41\1\x6b\x22\0\x0d\0\x0b\x0b"
                b"\x20\3\x22\4\x20\1\x6a\x0b")
    f = body(b"\0", b"\x20\0\x41\0\x11\0\0\x20\0\x10\3\x41\xe8\7\x6c\x6a\x23\0\x6a\x20\0\x10\0\x6a\x0b")
    return b"\0asm\1\0\0\0" + types + imports + functions + table + globals_ + exports + start + elements + section(10, begin, fib, sums, f)


def run_small(data, folder):
    path = os.path.join(folder, "small.wasm")
    Path(path).write_bytes(data)
    script = ("const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));"
              "const f = new WebAssembly.Instance(m, {e: {seven: (n) => 7}}).exports;"
              "console.log(JSON.stringify([f.f(10), f.f(0), f.sums(4)]))")
    return json.loads(subprocess.run(["node", "-e", script, path], check=True, capture_output=True, text=True).stdout)


def check_small():
    expected = [55 + 1000 * (10 + 55) + 100007, 100007, 4 + 10]
    with tempfile.TemporaryDirectory() as folder:
        assert run_small(small_module(), folder) == expected, "the test's own module"
        module = Module(small_module())
        assert module.bytes() == small_module(), "read and written again"
        order = order_functions(module)
        assert order != [0, 1, 2, 3], "the order stayed"
        before = Module(module.bytes())
        choose_local_numbers(module)
        check_same(before, module)
        assert run_small(module.bytes(), folder) == expected
    wrong = Module(module.bytes())  # the check itself: two values in one local
    longest = max(range(4), key=lambda n: len(wrong.functions[n].locals))
    wrong.functions[longest] = wrong.functions[longest]._replace(
        code=[(i[0], 1) if i[0] in LOCALS and i[1] > 0 else i for i in wrong.functions[longest].code])
    try:
        check_same(before, wrong)
    except AssertionError:
        return
    raise AssertionError("values in one local at once went unnoticed")


def check_errors():
    for data, what in ((b"\0asm\2\0\0\0", "version 1"), (small_module()[:-2] + b"\x06\x0b", "instruction 0x6")):
        try:
            Module(data)
        except ValueError as error:
            assert what in str(error), error
        else:
            raise AssertionError(f"taken without an error: {what}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    check_small()
    check_errors()
    check_file(*sys.argv[1:])
