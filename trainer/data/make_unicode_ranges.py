"""Writes unicode_ranges.inc: code points of the general categories L (letters) and N (numbers), as [first, last] pairs, from Python's
unicodedata. Run: python3 make_unicode_ranges.py > unicode_ranges.inc"""
import sys
import unicodedata


def ranges(kind):
    out = []
    for c in range(0x110000):
        if unicodedata.category(chr(c))[0] == kind:
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


print(f"// Unicode {unicodedata.unidata_version}, made by make_unicode_ranges.py.")
for name, kind in (("kLetters", "L"), ("kNumbers", "N")):
    print(f"constexpr Range {name}[] = {{")
    line = "   "
    for first, last in ranges(kind):
        item = f" {{{first:#x}, {last:#x}}},"
        if len(line) + len(item) > 120:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")
