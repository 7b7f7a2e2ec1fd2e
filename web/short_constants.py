"""Rewrites a WebAssembly module: vector constants whose lanes are equal become a number and the instruction that spreads it.

Usage: short_constants.py IN OUT

`v128.const` takes 18 bytes; `f32.const` and `f32x4.splat` take 7, zero takes 4. Engines compile both to the same loads. LLVM and
wasm-opt know the long form only, so that this comes last. Nothing else changes; what is not understood is an error.
"""
import struct
import sys


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


def short_form(lanes):
    """The shortest instructions that push these 16 bytes; None: v128.const it is."""
    forms = []
    for size, code, spread in ((1, "<b", 15), (2, "<h", 16), (4, "<i", 17), (8, "<q", 18)):
        if lanes == lanes[:size] * (16 // size):
            number = struct.unpack(code, lanes[:size])[0]
            forms.append((b"\x42" if size == 8 else b"\x41") + signed(number) + bytes([0xFD, spread]))
    # not for NaN, of whose bits engines may change one where they are floats
    if lanes == lanes[:4] * 4 and (lanes[3] & 0x7F, lanes[2] >> 7) != (0x7F, 1):
        forms.append(b"\x43" + lanes[:4] + b"\xfd\x13")
    if lanes == lanes[:8] * 2 and (lanes[7] & 0x7F, lanes[6] >> 4) != (0x7F, 0xF):
        forms.append(b"\x44" + lanes[:8] + b"\xfd\x14")
    forms = [f for f in forms if len(f) < 18]
    return min(forms, key=len, default=None)


# Opcode: how many numbers follow it. Those that are in no table are told apart below; all others have no operands.
NUMBERS = {2: 1, 3: 1, 4: 1, 6: 1, 7: 1, 8: 1, 9: 1, 0x0C: 1, 0x0D: 1, 0x10: 1, 0x11: 2, 0x18: 1, 0x3F: 1, 0x40: 1, 0x41: 1, 0x42: 1, 0xD0: 1, 0xD2: 1}
NUMBERS |= {code: 1 for code in range(0x20, 0x27)} | {code: 2 for code in range(0x28, 0x3F)}
BARE = {0, 1, 5, 0x0B, 0x0F, 0x19, 0x1A, 0x1B, 0xD1} | set(range(0x45, 0xC5))


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
        elif kind == 13:
            r.at += 16
        elif 21 <= kind <= 34:
            r.at += 1
        elif kind > 255:
            raise ValueError(f"instruction 0xfd {kind}")
    elif code not in BARE:
        raise ValueError(f"instruction {code:#x}")


def rewrite_body(body):
    r = Reader(body)
    for _ in range(r.unsigned()):  # runs of locals
        r.skip(2)
    out, kept = bytearray(), 0
    while r.at < len(body):
        start = r.at
        code = body[start]
        r.at += 1
        if code == 0xFD and body[r.at] == 12:  # v128.const
            lanes = body[r.at + 1:r.at + 17]
            r.at += 17
            short = short_form(lanes)
            if short is not None:
                out += body[kept:start] + short
                kept = r.at
            continue
        skip_operands(r, code)
    if r.at != len(body):
        raise ValueError("a function that ends inside an instruction")
    return bytes(out) + body[kept:]


def rewrite_code(section):
    r = Reader(section)
    count = r.unsigned()
    out = bytearray(unsigned(count))
    for _ in range(count):
        size = r.unsigned()
        body = rewrite_body(section[r.at:r.at + size])
        r.at += size
        out += unsigned(len(body)) + body
    return bytes(out)


def rewrite(module):
    if module[:8] != b"\0asm\1\0\0\0":
        raise ValueError("not a WebAssembly module of version 1")
    out, r = bytearray(module[:8]), Reader(module, 8)
    while r.at < len(module):
        kind = module[r.at]
        r.at += 1
        size = r.unsigned()
        section = module[r.at:r.at + size]
        r.at += size
        if kind == 10:
            section = rewrite_code(section)
        out += bytes([kind]) + unsigned(len(section)) + section
    return bytes(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        module = f.read()
    try:
        module = rewrite(module)
    except (ValueError, IndexError) as error:
        sys.exit(f"{sys.argv[1]}: {error}: short_constants.py knows the instructions of MVP, SIMD, threads, bulk memory and exceptions; leave it out of the link")
    with open(sys.argv[2], "wb") as f:
        f.write(module)


if __name__ == "__main__":
    main()
