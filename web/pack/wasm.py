"""The binary format of a WebAssembly module, as far as packing it needs: sections, functions, instructions.

What is not understood is a ValueError: the instructions of MVP, SIMD, threads and bulk memory are known.
"""
from collections import namedtuple

TYPE, IMPORT, FUNCTION, GLOBAL, EXPORT, START, ELEMENT, CODE = 1, 2, 3, 6, 7, 8, 9, 10
CALL, REF_FUNC, LOCAL_GET, LOCAL_SET, LOCAL_TEE = 0x10, 0xD2, 0x20, 0x21, 0x22
LOCALS = (LOCAL_GET, LOCAL_SET, LOCAL_TEE)

# A function: its type's index; its locals' types, parameters left out; its instructions, which are (opcode, index) for
# those of locals and calls, bytes for all others.
Function = namedtuple("Function", "type locals code")


class Reader:
    """Bytes of a module from `at` on."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def unsigned(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def skip(self, numbers):
        """Numbers in LEB128, signed or not."""
        for _ in range(numbers):
            while self.data[self.at] >= 128:
                self.at += 1
            self.at += 1


def unsigned(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def signed(value):
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value & 127])


# Opcode: how many numbers follow it. Those that are in no table are told apart below; all others have no operands.
NUMBERS = {2: 1, 3: 1, 4: 1, 0x0C: 1, 0x0D: 1, 0x10: 1, 0x11: 2, 0x3F: 1, 0x40: 1, 0x41: 1, 0x42: 1, 0xD0: 1, 0xD2: 1}
NUMBERS |= {code: 1 for code in range(0x20, 0x27)} | {code: 2 for code in range(0x28, 0x3F)}
BARE = {0, 1, 5, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1} | set(range(0x45, 0xC5))


def skip_operands(r, code):
    if code in NUMBERS:
        r.skip(NUMBERS[code])
    elif code == 0x0E:  # br_table
        r.skip(r.unsigned() + 1)
    elif code == 0x1C:  # select of a type
        r.skip(r.unsigned())
    elif code == 0x43:
        r.at += 4
    elif code == 0x44:
        r.at += 8
    elif code == 0xFC:
        kind = r.unsigned()
        if kind > 17:
            raise ValueError(f"instruction 0xfc {kind}")
        r.skip(0 if kind < 8 else 2 if kind in (8, 10, 12, 14) else 1)
    elif code == 0xFE:  # atomics
        if r.unsigned() == 3:
            r.at += 1
        else:
            r.skip(2)
    elif code == 0xFD:
        kind = r.unsigned()
        if kind <= 11 or kind in (92, 93):
            r.skip(2)
        elif 84 <= kind <= 91:
            r.skip(2)
            r.at += 1
        elif kind in (12, 13):
            r.at += 16
        elif 21 <= kind <= 34:
            r.at += 1
        elif kind > 255:
            raise ValueError(f"instruction 0xfd {kind}")
    elif code not in BARE:
        raise ValueError(f"instruction {code:#x}")


def read_code(r, end):
    """The instructions from r.at to `end`."""
    code = []
    while r.at < end:
        start = r.at
        op = r.data[start]
        r.at += 1
        if op == CALL or op in LOCALS:
            code.append((op, r.unsigned()))
        else:
            skip_operands(r, op)
            code.append(bytes(r.data[start:r.at]))
    if r.at != end:
        raise ValueError("a function that ends inside an instruction")
    return code


def read_name(r):
    return r.bytes(r.unsigned())


class Module:
    """sections: [kind, bytes], the code's without bytes; functions: what the code section has; types: (parameters, results)."""

    def __init__(self, data):
        if data[:8] != b"\0asm\1\0\0\0":
            raise ValueError("not a WebAssembly module of version 1")
        self.sections, r = [], Reader(data, 8)
        while r.at < len(data):
            kind = r.bytes(1)[0]
            self.sections.append([kind, r.bytes(r.unsigned())])
        self.types, self.imported, self.functions, types_of = [], 0, [], []
        for section in self.sections:
            kind, r = section[0], Reader(section[1])
            if kind == TYPE:
                self.types = [self._type(r) for _ in range(r.unsigned())]
            elif kind == IMPORT:
                self.imported = sum(self._import(r) == 0 for _ in range(r.unsigned()))
            elif kind == FUNCTION:
                types_of = [r.unsigned() for _ in range(r.unsigned())]
            elif kind == CODE:
                if r.unsigned() != len(types_of):
                    raise ValueError("functions without code, or code without functions")
                self.functions = [self._function(r, t) for t in types_of]
                section[1] = b""

    @staticmethod
    def _type(r):
        if r.bytes(1) != b"\x60":
            raise ValueError("a type that is not a function's")
        return read_name(r), read_name(r)  # value types are a byte each

    @staticmethod
    def _import(r):
        read_name(r), read_name(r)
        kind = r.bytes(1)[0]
        if kind == 3:
            r.at += 2
        elif kind == 0:
            r.skip(1)
        elif kind in (1, 2):
            r.at += kind == 1
            r.skip(1 + (r.bytes(1)[0] & 1))
        else:
            raise ValueError(f"an import of kind {kind}")
        return kind

    @staticmethod
    def _function(r, type_index):
        end = r.unsigned()
        end += r.at
        types = b""
        for _ in range(r.unsigned()):
            count = r.unsigned()
            types += r.bytes(1) * count
        return Function(type_index, types, read_code(r, end))

    def bytes(self):
        out = bytearray(b"\0asm\1\0\0\0")
        for kind, data in self.sections:
            if kind == CODE:
                data = unsigned(len(self.functions)) + b"".join(body_bytes(f) for f in self.functions)
            elif kind == FUNCTION:
                data = unsigned(len(self.functions)) + b"".join(unsigned(f.type) for f in self.functions)
            out += bytes([kind]) + unsigned(len(data)) + data
        return bytes(out)


def locals_bytes(types):
    """The declaration of these locals: runs of the same type."""
    runs = []
    for t in types:
        if runs and runs[-1][1] == t:
            runs[-1][0] += 1
        else:
            runs.append([1, t])
    return unsigned(len(runs)) + b"".join(unsigned(count) + bytes([t]) for count, t in runs)


def body_bytes(function):
    """A function as the code section has it, its size first."""
    body = locals_bytes(function.locals) + b"".join(
        i if isinstance(i, bytes) else bytes([i[0]]) + unsigned(i[1]) for i in function.code)
    return unsigned(len(body)) + body
