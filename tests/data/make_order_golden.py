"""Prints the first places of an epoch's order and the first draws of a sample, computed in Python from the definitions (Philox4x32-10 of
Salmon et al. 2011; trainer/data/draws.h), for loader_test.cpp. Run: python3 make_order_golden.py"""
M32 = 0xFFFFFFFF


def philox(low, high, key):
    c = [low & M32, low >> 32 & M32, high & M32, high >> 32 & M32]
    k = [key & M32, key >> 32 & M32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & M32, (p0 >> 32) ^ c[3] ^ k[1], p0 & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


# Random123's known answers of philox4x32-10: counters and keys of zeros, and of ones
assert philox(0, 0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox(2**64 - 1, 2**64 - 1, 2**64 - 1) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def key_of(seed, purpose):
    words = philox(purpose, 2**64 - 1, seed)
    return words[0] << 32 | words[1]


def order(n, seed, epoch, place, purpose=1):
    key, rows = key_of(seed, purpose), 1
    while rows * rows < n:
        rows += 1
    columns = -(-n // rows)
    while True:
        row, column = divmod(place, columns)
        for r in range(0, 8, 2):
            w = philox(column, epoch << 8 | r, key)
            row = (row + (w[0] << 32 | w[1])) % rows
            w = philox(row, epoch << 8 | r + 1, key)
            column = (column + (w[0] << 32 | w[1])) % columns
        place = row * columns + column
        if place < n:
            return place


def order_of_few(n, seed, epoch, purpose=1):
    words, places = [], []

    def word64():
        if len(words) < 2:
            words.extend(philox((epoch << 32) + word64.block, 2**64 - 1, key_of(seed, purpose)))
            word64.block += 1
        high, low = words.pop(0), words.pop(0)
        return high << 32 | low

    word64.block = 0
    for i in range(n):
        while (w := word64()) < 2**64 % (i + 1):
            pass
        at = w % (i + 1)
        places.append(places[at] if at < i else i)
        places[at] = i
    return places


print("order of 6, seed 1, epoch 3:", order_of_few(6, 1, 3))
print("order of 60000, seed 1, epoch 3:", [order(60000, 1, 3, i) for i in range(6)])
words = philox(3 << 32, 7, key_of(1, 2))
print("draws of seed 1, epoch 3, sample 7:", [hex(w) for w in words])
