"""Vector constants whose lanes are equal become a number and the instruction that spreads it.

`v128.const` takes 18 bytes; `f32.const` and `f32x4.splat` take 7, zero takes 4. Engines compile both to the same loads. LLVM and
wasm-opt know the long form only, so that this comes after them.
"""
import struct

from wasm import signed


def short_form(lanes):
    """The shortest instructions that push these 16 bytes; None: v128.const it is."""
    forms = []
    for size, code, spread in ((1, "<b", 15), (2, "<h", 16), (4, "<i", 17), (8, "<q", 18)):
        if lanes == lanes[:size] * (16 // size):
            number = struct.unpack(code, lanes[:size])[0]
            forms.append([(b"\x42" if size == 8 else b"\x41") + signed(number), bytes([0xFD, spread])])
    # not for NaN, of whose bits engines may change one where they are floats
    if lanes == lanes[:4] * 4 and (lanes[3] & 0x7F, lanes[2] >> 7) != (0x7F, 1):
        forms.append([b"\x43" + lanes[:4], b"\xfd\x13"])
    if lanes == lanes[:8] * 2 and (lanes[7] & 0x7F, lanes[6] >> 4) != (0x7F, 0xF):
        forms.append([b"\x44" + lanes[:8], b"\xfd\x14"])
    forms = [f for f in forms if len(b"".join(f)) < 18]
    return min(forms, key=lambda f: len(b"".join(f)), default=None)


def shorten_constants(module):
    for number, function in enumerate(module.functions):
        code = []
        for i in function.code:
            short = short_form(i[2:]) if isinstance(i, bytes) and i[:2] == b"\xfd\x0c" else None
            code += short or [i]
        module.functions[number] = function._replace(code=code)
