#!/usr/bin/env python3
"""Rebuilds the sequence of a stratum, independently of the program.

Needs Python 3.8 or later and nothing else. See randomization-spec.md, whose
section numbers stand in the comments.

    randomization.py list       SEED RATIO DESIGN TRIAL STRATUM N
    randomization.py envelopes  SEED RATIO DESIGN TRIAL STRATUM N
    randomization.py minimize   SEED RATIO DESIGN TRIAL PARTICIPANT …
    randomization.py commitment TRIAL RATIO DESIGN SEED SALT
    randomization.py contribute SEED ENTROPY
    randomization.py reduce     WORD N [WORD N …]
    randomization.py verify     FOLDER RECORD
    randomization.py verify     FOLDER COMMITMENT ENTROPY
    randomization.py batch      < FILE

SEED, SALT, ENTROPY, WORD and COMMITMENT are hexadecimal. RATIO is written 1:1.
DESIGN is

    4x1,6x1,8x1                    permuted blocks: each size x its weight
    complete
    big-stick:TOLERANCE
    maximal:TOLERANCE:LENGTH
    efron:FAVORED:OF
    urn:ALPHA:BETA
    minimization:range:FAVORED:OF:3x1,2x2
                                   or variance; each factor's levels x its weight
    encoded:HEX                    any design, a list too; RATIO is then -

list prints the arms of the slots 0 to N-1, where 0 is the first arm of the
ratio; envelopes those of the backup envelopes. minimize goes through the
PARTICIPANTs in order: 7:0,2,1 draws the arm of slot 7 for the levels 0, 2 and 1,
prints and counts it; 0,2,1=1 counts one who got arm 1 otherwise. reduce prints
what a random word gives below N, or "reject".

verify checks what was published of an unsealed trial: design.txt and
allocations.csv in FOLDER. RECORD is the file of the sealing record, as text, that
was kept on the first day, after the second party contributed; or give what is
printed on it, with "none" for ENTROPY if there was no second party. It says
that all is well, or what isn't and where, and then exits with 1. With less
than that, somebody could have chosen the contribution to fit the arms: it checks
the rest, says NOT CHECKED and what, and exits with 2.

batch answers each line of standard input, which holds a command and its words
with tabs in between.
"""

import csv
import functools
import hashlib
import hmac
import math
import os
import re
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


def raw(name):
    return name.encode("utf-8", "surrogateescape")


def text(name):
    return name.decode("utf-8", "surrogateescape")


# Section 2: the design, a tuple of its name, its ratio and its numbers. Those of
# blocks and of the factors of minimization come in pairs; those of a list are
# the tolerance and the arms of each stratum.

def encode(name, ratio, numbers):
    out = pack(VERSION + name.encode())
    if name in ("blocks", "complete", "minimization", "list"):
        out += b"".join(map(number, [len(ratio), *ratio]))
    if name == "urn":
        out += number(len(ratio))
    if name == "list":
        tolerance, strata = numbers
        return out + number(tolerance) + number(len(strata)) + b"".join(
            pack(stratum, bytes(arms)) for stratum, arms in sorted(strata.items()))
    if name in ("blocks", "minimization"):
        *numbers, pairs = numbers
        numbers = [*numbers, len(pairs), *(n for pair in pairs for n in pair)]
    return out + b"".join(map(number, numbers))


def decode(data):
    rest = memoryview(data)

    def take(n):
        nonlocal rest
        if n > len(rest):
            raise ValueError("the encoded design is cut short")
        head, rest = bytes(rest[:n]), rest[n:]
        return head

    def one():
        return int.from_bytes(take(8), "big")

    def some(n):
        return [one() for _ in range(n)]

    def pairs():
        return [tuple(some(2)) for _ in range(one())]

    name = take(one())[len(VERSION):].decode()
    if name == "urn":
        ratio = [1] * one()
    elif name in ("blocks", "complete", "minimization", "list"):
        ratio = some(one())
    else:
        ratio = [1, 1]
    if name == "blocks":
        numbers = [pairs()]
    elif name == "minimization":
        numbers = [*some(3), pairs()]
    elif name == "list":
        numbers = [one(), {take(one()): list(take(one())) for _ in range(one())}]
    else:
        numbers = some(len(rest) // 8)
    if encode(name, ratio, numbers) != data:
        raise ValueError("the encoded design isn't one of version 1")
    return name, ratio, numbers


# Section 3: seed and commitment.

def contribute(seed, entropy):
    return derive(seed, pack(VERSION + b"contribution", entropy))


def commitment(trial, encoded, seed, salt):
    return hashlib.sha256(pack(VERSION + b"commitment", trial, encoded, seed, salt)).digest()


# Section 4: random words and numbers.

def stream_key(seed, trial, stratum, purpose):
    return derive(seed, pack(VERSION + b"stream", trial, stratum, purpose.encode()))


def words(key, counter=0, stride=1):
    while True:
        out = mac(key, number(counter))
        for i in range(0, 32, 8):
            yield out[i:i + 8]
        counter += stride


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

def blocks(random, ratio, numbers):
    sizes, = numbers
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


class Sequence:
    """The arms of a stratum, drawn as far as they were asked for."""

    def __init__(self, more, arms=()):
        self.more, self.arms = more, list(arms)

    def at(self, slot):
        """The arm of a slot, or None after the end of a list."""
        while len(self.arms) <= slot:
            arm = next(self.more, None)
            if arm is None:
                return None
            self.arms.append(arm)
        return self.arms[slot]

    def first(self, n):
        return [arm for arm in map(self.at, range(n)) if arm is not None]


def sequence(seed, design, trial, stratum):
    name, ratio, numbers = design
    if name == "list":
        return Sequence(iter(()), numbers[1][stratum])
    return Sequence(DRAW[name](words(stream_key(seed, trial, stratum, name)), ratio, numbers))


# Section 7: minimization.

class Minimizer:
    def __init__(self, seed, design, trial):
        _, self.ratio, (self.measure, self.favored, self.of, self.factors) = design
        self.key = stream_key(seed, trial, b"", "minimization")
        common = functools.reduce(lambda a, b: a * b // math.gcd(a, b), self.ratio)
        self.unit = [common // r for r in self.ratio]
        self.counts = [[[0] * len(self.ratio) for _ in range(levels)] for levels, _ in self.factors]

    def fits(self, levels):
        return len(levels) == len(self.factors) and all(l < f for l, (f, _) in zip(levels, self.factors))

    def unlike(self, levels, arm):
        """How unlike the arms would be with one participant more in arm."""
        total = 0
        for counts, level, (_, weight) in zip(self.counts, levels, self.factors):
            x = [n + (self.unit[arm] if i == arm else 0) for i, n in enumerate(counts[level])]
            total += weight * (max(x) - min(x) if self.measure == 1
                               else len(x) * sum(n * n for n in x) - sum(x)**2)
        return total

    def next(self, slot, levels):
        random = words(self.key, slot, 2**32)
        scores = [self.unlike(levels, arm) for arm in range(len(self.ratio))]
        best = [r if score == min(scores) else 0 for r, score in zip(self.ratio, scores)]
        preferred = share(best, below(random, sum(best)))
        chances = [(self.of - self.favored) * r for r in self.ratio]
        chances[preferred] += self.favored * sum(self.ratio) - self.of * min(self.ratio)
        return share(chances, below(random, sum(chances)))

    def count(self, levels, arm):
        for counts, level in zip(self.counts, levels):
            counts[level][arm] += self.unit[arm]


# Section 8: backup envelopes.

def envelopes(seed, design, trial, stratum):
    name, ratio, numbers = design
    if name in ("minimization", "list"):
        name, numbers = "complete", []
    return Sequence(DRAW[name](words(stream_key(seed, trial, stratum, "contingency/" + name)), ratio, numbers))


# Section 9: checking a trial.

class Mismatch(Exception):
    """Something isn't as it should be."""


class Unchecked(Exception):
    """All that was looked at is well, but something must still be compared."""


class Replay:
    def __init__(self, seed, design, trial):
        self.minimizer = Minimizer(seed, design, trial) if design[0] == "minimization" else None
        self.start = functools.lru_cache(None)(lambda stratum: sequence(seed, design, trial, stratum))
        self.open = functools.lru_cache(None)(lambda stratum: (envelopes(seed, design, trial, stratum), set()))
        self.listed = design[2][1] if design[0] == "list" else None
        self.next_slots = {}
        self.people = set()

    def check(self, order, kind, participant, stratum, slot, arm, levels):
        def need(ok, part, got, want):
            if not ok:
                raise Mismatch(f'allocation {order} ({kind}, stratum "{text(stratum)}", slot {slot}): {part} {got}, want {want}')

        def take():
            need(self.listed is None or stratum in self.listed, "stratum", text(stratum), "a stratum of the list")
            key = b"" if self.minimizer else stratum
            want = self.next_slots.get(key, 0)
            need(slot == want, "slot", slot, want)
            self.next_slots[key] = want + 1

        need(kind in ("drawn", "contingency", "lost"), "kind", kind, "drawn, contingency or lost")
        if kind == "lost":
            need(arm is None and not participant and not levels,
                 "kind", "lost with a participant, an arm or levels", "lost with none of them")
            take()
            return
        if kind == "drawn":
            take()
        else:
            drawn, opened = self.open(stratum)
            need(slot not in opened, "slot", slot, "an envelope that wasn't opened before")
            opened.add(slot)
        written = " ".join(map(str, levels))
        if self.minimizer:
            need(self.minimizer.fits(levels), "levels", written, "one level of each factor")
        else:
            need(not levels, "levels", written, "none")
        if kind == "contingency":
            want = drawn.at(slot) if slot < 1000 else None
        elif self.minimizer:
            want = self.minimizer.next(slot, levels) if slot < 2**20 else None
        else:
            want = self.start(stratum).at(slot) if slot < 2**24 else None
        need(want is not None, "slot", slot, "a slot that exists")
        need(arm == want, "arm", -1 if arm is None else arm, want)
        need(participant not in self.people, "participant", participant, "one who was not named before")
        if participant not in ("", "erased"):
            self.people.add(participant)
        if self.minimizer:
            self.minimizer.count(levels, arm)


def whole(word):
    if not (word.isascii() and word.isdecimal() and str(int(word)) == word):
        raise Mismatch(f"allocations.csv: {word!r}, want a whole number")
    return int(word)


def lines_of(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def read_design(folder):
    """The facts of design.txt."""
    names = "format trial design seed salt entropy commitment".split()
    lines = lines_of(os.path.join(folder, "design.txt"))
    if len(lines) != len(names) or not all(line.startswith(name + ":") for name, line in zip(names, lines)):
        raise Mismatch("design.txt: want the lines " + ", ".join(names) + ", and no other")
    facts = {name: line[len(name) + 1:] for name, line in zip(names, lines)}
    facts = {name: fact[1:] if fact[:1] == " " else fact for name, fact in facts.items()}
    if facts["format"] != "lodd/randomization/v1/unsealed":
        raise Mismatch("design.txt isn't of version 1")
    for name in ("design", "seed", "salt", "commitment", "entropy"):
        if not re.fullmatch("([0-9A-Fa-f]{2})*", facts[name]) and (name, facts[name]) != ("entropy", "none"):
            raise Mismatch(f"design.txt: {name}: want hexadecimal")
    return facts


def read_record(path):
    """The commitment and the contribution on a sealing record."""
    lines = lines_of(path)
    found = []
    for name, want in (("Commitment", "([0-9A-Fa-f]{64})"),
                       ("Entropy", "32 bytes of the server's(; the trial statistician's are awaited|"
                                   "; no second party contributed entropy|, and these ([0-9]+) bytes of .*:)")):
        at = [i for i, line in enumerate(lines) if line.startswith(name + ":")]
        match = re.fullmatch(name + ": +" + want, lines[at[0]]) if len(at) == 1 else None
        if not match:
            raise Mismatch(f"{path}: want the text of a sealing record, with one line {name}")
        found.append(match)
    entropy = found[1]
    if entropy[2] is None:
        return found[0][1], "awaited" if entropy[1].endswith("awaited") else "none"
    digits = ""
    for line in lines[at[0] + 1:]:
        if not re.fullmatch(" +[0-9A-Fa-f]+ *", line):
            break
        digits += line.strip()
    if len(digits) != 2 * int(entropy[2]):
        raise Mismatch(f"{path}: {len(digits)} digits of entropy, want two for each of {entropy[2]} bytes")
    return found[0][1], digits


def hold(facts, got, sealed):
    """Compares with what was sealed: RECORD, or COMMITMENT and ENTROPY. Returns what that leaves open."""
    if len(sealed) == 1 and not re.fullmatch("[0-9A-Fa-f]{64}", sealed[0]):
        sealed = read_record(sealed[0])
    for want in (*sealed[:1], facts["commitment"]):
        if got != want.lower():
            raise Mismatch(f"commitment {got}, want {want.lower()}: "
                           "the trial, the design, the seed or the salt isn't what was committed to")
    if not sealed:
        return "the commitment and the contribution to the seed are the folder's own"
    if len(sealed) == 1:
        return "the contribution to the seed is the folder's own"
    entropy, want = facts["entropy"].lower(), sealed[1].lower()
    if want == "awaited" and entropy != "none":
        return "the contribution to the seed is the folder's own, because the record is older"
    if entropy != want:
        raise Mismatch(f"entropy {entropy}, want {want}: the contribution to the seed isn't that of the sealing record")
    return None


def replay_file(path, replay):
    """Checks allocations.csv. Returns how many allocations and lost slots there are."""
    columns = "order kind participant stratum slot arm levels".split()
    count = {"drawn": 0, "contingency": 0, "lost": 0}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file, strict=True)
        if next(lines, None) != columns:
            raise Mismatch("allocations.csv: want the columns " + ",".join(columns))
        for n, line in enumerate(filter(None, lines)):
            if len(line) != len(columns):
                raise Mismatch("allocations.csv: want the columns " + ",".join(columns))
            order, kind, participant, stratum, slot, arm, levels = line
            if order != str(n):
                raise Mismatch(f"allocations.csv: order {order}, want {n}")
            replay.check(n, kind, participant, raw(stratum), whole(slot),
                         whole(arm) if arm else None, [whole(l) for l in levels.split(" ")] if levels else [])
            count[kind] += 1
    return count["drawn"] + count["contingency"], count["lost"]


def verify(folder, *sealed):
    facts = read_design(folder)
    trial, design, drawn = raw(facts["trial"]), bytes.fromhex(facts["design"]), bytes.fromhex(facts["seed"])
    unchecked = hold(facts, commitment(trial, design, drawn, bytes.fromhex(facts["salt"])).hex(), sealed)
    seed = drawn if facts["entropy"] == "none" else contribute(drawn, bytes.fromhex(facts["entropy"]))
    n, lost = replay_file(os.path.join(folder, "allocations.csv"), Replay(seed, decode(design), trial))
    said = f"{n} allocations match, {lost} lost"
    if lost:
        said += f"; compare {lost} with the reconciliations in the log (lodd verify --archive)"
    if unchecked:
        raise Unchecked(f"NOT CHECKED against a sealing record: {unchecked}; with that, {said}")
    return "the sealing record and " + said


# The command line.

def parse_pairs(words):
    return [tuple(map(int, pair.split("x"))) for pair in words.split(",")]


def parse_design(ratio, word):
    name, *numbers = word.split(":")
    if name == "encoded":
        return decode(bytes.fromhex(numbers[0]))
    ratio = [int(r) for r in ratio.split(":")]
    if word[0].isdigit():
        return "blocks", ratio, [parse_pairs(word)]
    if name == "minimization":
        measure, favored, of, factors = numbers
        return name, ratio, [["range", "variance"].index(measure) + 1, int(favored), int(of), parse_pairs(factors)]
    return name, ratio, [int(n) for n in numbers]


def minimize(seed, ratio, design, trial, *participants):
    m = Minimizer(bytes.fromhex(seed), parse_design(ratio, design), raw(trial))
    arms = []
    for p in participants:
        if "=" in p:
            levels, arm = p.split("=")
            levels, arm = [int(l) for l in levels.split(",")], int(arm)
        else:
            slot, levels = p.split(":")
            levels = [int(l) for l in levels.split(",")]
            arm = m.next(int(slot), levels)
            arms.append(arm)
        m.count(levels, arm)
    return " ".join(map(str, arms))


def answer(command, *args):
    if command in ("list", "envelopes") and len(args) == 6:
        seed, ratio, design, trial, stratum, n = args
        start = sequence if command == "list" else envelopes
        arms = start(bytes.fromhex(seed), parse_design(ratio, design), raw(trial), raw(stratum))
        return " ".join(map(str, arms.first(int(n))))
    if command == "minimize" and len(args) >= 4:
        return minimize(*args)
    if command == "commitment" and len(args) == 5:
        trial, ratio, design, seed, salt = args
        encoded = encode(*parse_design(ratio, design))
        return commitment(raw(trial), encoded, bytes.fromhex(seed), bytes.fromhex(salt)).hex()
    if command == "contribute" and len(args) == 2:
        return contribute(*map(bytes.fromhex, args)).hex()
    if command == "reduce" and args and len(args) % 2 == 0:
        answers = [reduce(bytes.fromhex(w), int(n)) for w, n in zip(args[::2], args[1::2])]
        return " ".join("reject" if x is None else str(x) for x in answers)
    if command == "verify" and len(args) in (1, 2, 3):
        return verify(*args)
    sys.exit(__doc__.strip())


def main(args):
    args = [text(os.fsencode(a)) for a in args]
    if args == ["batch"]:
        for line in open(sys.stdin.fileno(), encoding="utf-8", errors="surrogateescape", newline="\n"):
            try:
                print(answer(*line.rstrip("\n").split("\t")))
            except (Mismatch, Unchecked) as found:
                print(found)
        return
    try:
        print(answer(*args or [""]))
    except Mismatch as mismatch:
        sys.exit(str(mismatch))
    except Unchecked as unchecked:
        print(unchecked, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")
    sys.stderr.reconfigure(errors="surrogateescape")
    main(sys.argv[1:])
