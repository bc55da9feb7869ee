"""Ed25519 signatures, as far as a verifier needs them.

Source: RFC 8032 (2017), sections 5.1.1 to 5.1.4 and 5.1.7. Points are in the
extended coordinates (X, Y, Z, T) of section 5.1.4. Nothing here is secret, so
nothing here needs to take the same time for every input.
"""

import functools
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    """Adds two points (section 5.1.4)."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    """Adds the point to itself, scalar times."""
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def encode(point):
    """Writes a point in 32 bytes (section 5.1.2)."""
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@functools.lru_cache(maxsize=16)
def decode(data):
    """Returns the point that 32 bytes stand for, or None (section 5.1.3)."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    x = square_root((y * y - 1) * pow(D * y * y + 1, -1, P) % P)
    if x is None or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def square_root(a):
    """Returns a number whose square is a, or None."""
    x = pow(a, (P + 3) // 8, P)
    if (x * x - a) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    return None if (x * x - a) % P else x


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def verify(public, message, signature):
    """Reports whether the signature is one of the message (section 5.1.7)."""
    key = decode(public) if len(public) == 32 else None
    if key is None or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    return encode(add(multiply(s, BASE), multiply(k, minus_key))) == signature[:32]


def fast_verify(public, message, signature):
    """The same answer, sooner where python3-cryptography is installed."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return verify(public, message, signature)
    if len(public) != 32 or decode(public) is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
