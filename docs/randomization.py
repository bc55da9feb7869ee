#!/usr/bin/env python3
"""Rebuilds the sequence of a stratum, independently of the program.

Needs Python 3.8 or later and nothing else. See randomization-spec.md, whose
section numbers stand in the comments.

    randomization.py list       SEED RATIO SIZES TRIAL STRATUM N
    randomization.py commitment TRIAL RATIO SIZES SEED SALT
    randomization.py contribute SEED ENTROPY
    randomization.py reduce     WORD N [WORD N …]

SEED, SALT, ENTROPY and WORD are hexadecimal. RATIO is written 1:1, SIZES
4x1,6x1,8x1 (each size x its weight). list prints the arms of the slots 0 to
N-1, where 0 is the first arm of the ratio. reduce prints what a random word
gives below N, or "reject".
"""

import hashlib
import hmac
import os
import sys

VERSION = b"lodd/randomization/v1/"


# Section 1: numbers, fields, hashes.

def number(n):
    return n.to_bytes(8, "big")


def pack(*fields):
    return b"".join(number(len(f)) + f for f in fields)


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def derive(seed, info):
    return mac(mac(bytes(32), seed), info + b"\x01")


# Section 2: the design.

def encode(ratio, sizes):
    numbers = [len(ratio), *ratio, len(sizes)]
    for size, weight in sizes:
        numbers += [size, weight]
    return pack(VERSION + b"blocks") + b"".join(map(number, numbers))


# Section 3: seed and commitment.

def contribute(seed, entropy):
    return derive(seed, pack(VERSION + b"contribution", entropy))


def commitment(trial, design, seed, salt):
    return hashlib.sha256(pack(VERSION + b"commitment", trial, encode(*design), seed, salt)).digest()


# Section 4: random words and numbers.

def words(seed, trial, stratum):
    key = derive(seed, pack(VERSION + b"stream", trial, stratum, b"blocks"))
    counter = 0
    while True:
        out = mac(key, number(counter))
        for i in range(0, 32, 8):
            yield out[i:i + 8]
        counter += 1


def reduce(word, n):
    x = int.from_bytes(word, "big")
    return None if x < 2**64 % n else x % n


def below(random, n):
    while True:
        x = reduce(next(random), n)
        if x is not None:
            return x


# Section 5: blocks.

def block(random, ratio, sizes):
    x = below(random, sum(weight for _, weight in sizes))
    for size, weight in sizes:
        if x < weight:
            break
        x -= weight
    once = [arm for arm, r in enumerate(ratio) for _ in range(r)]
    arms = once * (size // len(once))
    for i in range(size - 1, 0, -1):
        j = below(random, i + 1)
        arms[i], arms[j] = arms[j], arms[i]
    return arms


def sequence(seed, design, trial, stratum, n):
    random = words(seed, trial, stratum)
    arms = []
    while len(arms) < n:
        arms += block(random, *design)
    return arms[:n]


def parse_design(ratio, sizes):
    return ([int(r) for r in ratio.split(":")],
            [tuple(map(int, size.split("x"))) for size in sizes.split(",")])


def main(args):
    command = args.pop(0) if args else ""
    if command == "list" and len(args) == 6:
        seed, ratio, sizes, trial, stratum, n = args
        arms = sequence(bytes.fromhex(seed), parse_design(ratio, sizes),
                        os.fsencode(trial), os.fsencode(stratum), int(n))
        print(*arms)
    elif command == "commitment" and len(args) == 5:
        trial, ratio, sizes, seed, salt = args
        print(commitment(os.fsencode(trial), parse_design(ratio, sizes),
                         bytes.fromhex(seed), bytes.fromhex(salt)).hex())
    elif command == "contribute" and len(args) == 2:
        print(contribute(*map(bytes.fromhex, args)).hex())
    elif command == "reduce" and args and len(args) % 2 == 0:
        answers = [reduce(bytes.fromhex(w), int(n)) for w, n in zip(args[::2], args[1::2])]
        print(*("reject" if x is None else x for x in answers))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
