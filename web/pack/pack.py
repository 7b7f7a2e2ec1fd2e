"""The last step of linking a WebAssembly module: makes it smaller, and smaller again after gzip, without changing what it does.

Usage: pack.py IN OUT
"""
import sys

from constants import shorten_constants
from function_order import order_functions
from local_numbers import choose_local_numbers
from wasm import Module


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    try:
        module = Module(data)
        shorten_constants(module)
        order_functions(module)
        choose_local_numbers(module)
        packed = module.bytes()
    except (ValueError, IndexError) as error:
        sys.exit(f"{sys.argv[1]}: {error}: pack.py knows the instructions of MVP, SIMD, threads and bulk memory; leave it out of the link")
    with open(sys.argv[2], "wb") as f:
        f.write(packed)


if __name__ == "__main__":
    main()
