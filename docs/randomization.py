#!/usr/bin/env python3
"""Rebuilds the sequence of a stratum, independently of the program.

Needs Python 3.8 or later and nothing else. See randomization-spec.md, whose
section numbers stand in the comments.

    randomization.py list       SEED RATIO DESIGN TRIAL STRATUM N
    randomization.py commitment TRIAL RATIO DESIGN SEED SALT
    randomization.py contribute SEED ENTROPY
    randomization.py reduce     WORD N [WORD N …]
    randomization.py lists      < FILE

SEED, SALT, ENTROPY and WORD are hexadecimal. RATIO is written 1:1. DESIGN is

    4x1,6x1,8x1              permuted blocks: each size x its weight
    complete
    big-stick:TOLERANCE
    maximal:TOLERANCE:LENGTH
    efron:FAVORED:OF
    urn:ALPHA:BETA

list prints the arms of the slots 0 to N-1, where 0 is the first arm of the
ratio. lists answers each line of standard input, which holds the words of list,
as list would. reduce prints what a random word gives below N, or "reject".
"""

import hashlib
import hmac
import itertools
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


# Section 2: the design, a tuple of its name, its ratio and its numbers.

def encode(name, ratio, numbers):
    if name == "blocks":
        numbers = [len(ratio), *ratio, len(numbers), *(n for pair in numbers for n in pair)]
    elif name == "complete":
        numbers = [len(ratio), *ratio]
    elif name == "urn":
        numbers = [len(ratio), *numbers]
    return pack(VERSION + name.encode()) + b"".join(map(number, numbers))


# Section 3: seed and commitment.

def contribute(seed, entropy):
    return derive(seed, pack(VERSION + b"contribution", entropy))


def commitment(trial, design, seed, salt):
    return hashlib.sha256(pack(VERSION + b"commitment", trial, encode(*design), seed, salt)).digest()


# Section 4: random words and numbers.

def words(seed, trial, stratum, purpose):
    key = derive(seed, pack(VERSION + b"stream", trial, stratum, purpose.encode()))
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


def below_big(random, n):
    bits = n.bit_length()
    while True:
        x = 0
        for _ in range(-(-bits // 64)):
            x = x << 64 | int.from_bytes(next(random), "big")
        x &= (1 << bits) - 1
        if x < n:
            return x


def share(parts, x):
    for i, part in enumerate(parts):
        if x < part:
            return i
        x -= part
    raise ValueError("x is not below the sum of the parts")


# Section 5: blocks.

def blocks(random, ratio, sizes):
    while True:
        size = sizes[share([weight for _, weight in sizes], below(random, sum(weight for _, weight in sizes)))][0]
        once = [arm for arm, r in enumerate(ratio) for _ in range(r)]
        arms = once * (size // len(once))
        for i in range(size - 1, 0, -1):
            j = below(random, i + 1)
            arms[i], arms[j] = arms[j], arms[i]
        yield from arms


# Section 6: the other designs.

def complete(random, ratio, _):
    while True:
        yield share(ratio, below(random, sum(ratio)))


def big_stick(random, _, numbers):
    tolerance, = numbers
    ahead = 0
    while True:
        arm = 1 if ahead == tolerance else 0 if ahead == -tolerance else below(random, 2)
        ahead += 1 - 2 * arm
        yield arm


def maximal(random, _, numbers):
    tolerance, length = numbers
    paths = [{0: 1}]
    for _ in range(length):
        last = paths[-1]
        paths.append({d: last.get(d + 1, 0) + last.get(d - 1, 0) for d in range(-tolerance, tolerance + 1)})
    while True:
        rank, ahead = below_big(random, paths[length][0]), 0
        for left in range(length - 1, -1, -1):
            zero = paths[left].get(ahead + 1, 0)
            arm = 0 if rank < zero else 1
            rank -= arm * zero
            ahead += 1 - 2 * arm
            yield arm


def efron(random, _, numbers):
    favored, of = numbers
    ahead = 0
    while True:
        if ahead == 0:
            arm = below(random, 2)
        else:
            behind = 1 if ahead > 0 else 0
            arm = behind if below(random, of) < favored else 1 - behind
        ahead += 1 - 2 * arm
        yield arm


def urn(random, ratio, numbers):
    alpha, beta = numbers
    balls = [alpha] * len(ratio)
    while True:
        within = balls if any(balls) else [1] * len(balls)
        arm = share(within, below(random, sum(within)))
        balls = [n + (0 if i == arm else beta) for i, n in enumerate(balls)]
        yield arm


DRAW = {"blocks": blocks, "complete": complete, "big-stick": big_stick,
        "maximal": maximal, "efron": efron, "urn": urn}


def sequence(seed, design, trial, stratum, n):
    name, ratio, numbers = design
    arms = DRAW[name](words(seed, trial, stratum, name), ratio, numbers)
    return list(itertools.islice(arms, n))


def parse_design(ratio, text):
    ratio = [int(r) for r in ratio.split(":")]
    if text[0].isdigit():
        return "blocks", ratio, [tuple(map(int, size.split("x"))) for size in text.split(",")]
    name, *numbers = text.split(":")
    return name, ratio, [int(n) for n in numbers]


def answer_list(seed, ratio, design, trial, stratum, n):
    arms = sequence(bytes.fromhex(seed), parse_design(ratio, design),
                    os.fsencode(trial), os.fsencode(stratum), int(n))
    print(*arms)


def main(args):
    command = args.pop(0) if args else ""
    if command == "list" and len(args) == 6:
        answer_list(*args)
    elif command == "lists" and not args:
        for line in sys.stdin:
            answer_list(*line.split())
    elif command == "commitment" and len(args) == 5:
        trial, ratio, design, seed, salt = args
        print(commitment(os.fsencode(trial), parse_design(ratio, design),
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
