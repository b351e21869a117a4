#!/usr/bin/env python3
"""Recomputes the golden files from keys and ephemerals alone, sharing no code with the project.

Everything here is written from docs/protocol-handshake.md and docs/trust-store.md and from the RFCs: X25519,
ChaCha20-Poly1305, HChaCha20, Ed25519, Noise. Slow and plain on purpose. Exits 1 at the first difference.
"""
import base64
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
checks = 0


def golden(name):
    return bytes.fromhex((HERE / f"{name}.hex").read_text().replace("\n", ""))


def same(what, a, b):
    global checks
    checks += 1
    if a != b:
        sys.exit(f"{what}: {a.hex()} is not {b.hex()}")


# ---- primitives -----------------------------------------------------------------------------------------------------

P = 2**255 - 19


def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public_of(secret):
    return x25519(secret, b"\x09" + bytes(31))


def rounds(state):
    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = s[x] + s[y] & 0xFFFFFFFF
            v = s[z] ^ s[x]
            s[z] = (v << n | v >> 32 - n) & 0xFFFFFFFF

    s = list(state)
    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def chacha20(key, nonce, data, counter):
    out = b""
    for at in range(0, len(data), 64):
        state = SIGMA + struct.unpack("<8I", key) + (counter + at // 64,) + struct.unpack("<3I", nonce)
        block = struct.pack("<16I", *(a + b & 0xFFFFFFFF for a, b in zip(state, rounds(state))))
        out += bytes(a ^ b for a, b in zip(data[at : at + 64], block))
    return out


def hchacha20(key, nonce16):
    s = rounds(SIGMA + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *s[:4], *s[12:])


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(key[16:], "little") & 2**128 - 1).to_bytes(16, "little")


def pad16(b):
    return b + bytes(-len(b) % 16)


def tag_of(key, nonce, ad, sealed):
    one_time = chacha20(key, nonce, bytes(64), 0)[:32]
    return poly1305(one_time, pad16(ad) + pad16(sealed) + struct.pack("<QQ", len(ad), len(sealed)))


def seal(key, n, ad, plain):
    nonce = struct.pack("<IQ", 0, n)
    sealed = chacha20(key, nonce, plain, 1)
    return sealed + tag_of(key, nonce, ad, sealed)


def xopen(key, nonce24, ad, sealed):
    key, nonce = hchacha20(key, nonce24[:16]), bytes(4) + nonce24[16:]
    same("tag of the cookie", tag_of(key, nonce, ad, sealed[:-16]), sealed[-16:])
    return chacha20(key, nonce, sealed[:-16], 1)


def blake2b(data, size=64, key=b"", **kw):
    return hashlib.blake2b(data, digest_size=size, key=key, **kw).digest()


def kdf(secret, number, context):
    """crypto_kdf_derive_from_key"""
    return blake2b(b"", 32, secret, salt=struct.pack("<QQ", number, 0), person=context.ljust(16, b"\0"))


# Ed25519, from RFC 8032: enough to verify.
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def ed_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def ed_mul(k, p):
    r = (0, 1, 1, 0)
    while k:
        if k & 1:
            r = ed_add(r, p)
        p = ed_add(p, p)
        k >>= 1
    return r


def ed_point(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & 2**255 - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - x2) % P == 0
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = ed_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed_bytes(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed_public(seed):
    a = bytearray(hashlib.sha512(seed).digest()[:32])
    a[0] &= 248
    a[31] = a[31] & 127 | 64
    return ed_bytes(ed_mul(int.from_bytes(a, "little"), BASE))


def ed_verify(what, key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % Q
    same(what, ed_bytes(ed_mul(s, BASE)), ed_bytes(ed_add(ed_point(r), ed_mul(k, ed_point(key)))))


# ---- Noise, section 5 -----------------------------------------------------------------------------------------------


def hmac(key, data):
    key = key.ljust(128, b"\0")
    inner = blake2b(bytes(b ^ 0x36 for b in key) + data)
    return blake2b(bytes(b ^ 0x5C for b in key) + inner)


def hkdf(ck, ikm, count):
    temp, out, last = hmac(ck, ikm), [], b""
    for i in range(1, count + 1):
        last = hmac(temp, last + bytes([i]))
        out.append(last)
    return out


class Noise:
    """Both sides at once: it writes what the golden packets must hold."""

    def __init__(self, name, prologue):
        self.h = self.ck = blake2b(name) if len(name) > 64 else name.ljust(64, b"\0")
        self.k = None
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = blake2b(self.h + data)

    def set_key(self, k):
        self.k, self.n = k[:32], 0

    def mix_key(self, data):
        self.ck, k = hkdf(self.ck, data, 2)
        self.set_key(k)

    def psk(self, psk):
        self.ck, h, k = hkdf(self.ck, psk, 3)
        self.mix_hash(h)
        self.set_key(k)

    def e(self, public):
        self.mix_hash(public)
        self.mix_key(public)  # both patterns have a psk
        return public

    def dh(self, secret, public):
        self.mix_key(x25519(secret, public))

    def encrypt(self, plain):
        sealed = seal(self.k, self.n, self.h, plain)
        self.n += 1
        self.mix_hash(sealed)
        return sealed

    def split(self):
        return [k[:32] for k in hkdf(self.ck, b"", 2)]


# ---- identities and files -------------------------------------------------------------------------------------------


def keyfile(name, magic):
    data = golden(name)
    same(f"{name} head", data[:8], magic + b"\x01\0\0\0")
    same(f"{name} check", data[40:], blake2b(data[:40], 32))
    return data[8:40]


def node_id(key):
    return blake2b(b"tul1 node id" + key, 32)[:16]


def base32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")


def id_text(node):
    digits = base32(node) + base32(blake2b(b"tul1 id check" + node, 16))[:2]
    return "-".join(digits[i : i + 4] for i in range(0, 28, 4))


a_s, b_s = keyfile("anna-identity.key", b"TULK"), keyfile("bert-identity.key", b"TULK")
A_S, B_S = public_of(a_s), public_of(b_s)
A_ID, B_ID = node_id(A_S), node_id(B_S)
same("anna's id", id_text(A_ID).encode(), golden("anna-node-id"))
same("bert's id", id_text(B_ID).encode(), golden("bert-node-id"))

AUTHORITY = ed_public(keyfile("anna-authority.key", b"TULA"))
FABRIC = blake2b(b"tul1 fabric id" + AUTHORITY, 32)[:16]


def certificate(data, key, name, serial, flags, roles):
    head = b"TULC" + bytes([1, flags, len(name), 0]) + FABRIC + key
    body = head + struct.pack("<QIIQQ", serial, 1, roles, 0, 0) + name.ljust(64, b"\0") + node_id(key)
    same("certificate", data[:168], body)
    ed_verify("certificate's signature", AUTHORITY, b"tul1 member cert\0" + body, data[168:])
    return data


A_CERT = certificate(golden("anna-certificate"), A_S, b"anna", 1, 1, 3)


def revocations(data, version, entries):
    body = b"TULR\x01\0\0\0" + FABRIC + struct.pack("<IIII", version, 1, len(entries) // 40, 0) + entries
    same("revocation list", data[:-64], body)
    ed_verify("list's signature", AUTHORITY, b"tul1 revocations\0" + blake2b(body), data[-64:])
    return data


LIST = revocations(golden("revocations-empty"), 1, b"")
revocations(golden("revocations-one"), 2, B_S + struct.pack("<Q", 2))

SECRET = golden("admission-secret")


class Gate:
    def __init__(self, secret):
        self.psk = kdf(secret, 1, b"tul1 psk")
        self.mac = kdf(secret, 2, b"tul1 mac")
        self.cookie = kdf(secret, 3, b"tul1 cok")

    def mac1(self, purpose, data, cover):
        return blake2b(cover, 16, blake2b(purpose + data, 32, self.mac))


gate = Gate(SECRET)
same("psk", gate.psk, golden("gate-psk"))
same("mac root", gate.mac, golden("gate-mac-root"))
same("cookie root", gate.cookie, golden("gate-cookie-root"))
same("hello key", blake2b(b"hello" + A_ID, 32, gate.mac), golden("gate-hello-to-self"))
same("hello key to anyone", blake2b(b"hello" + bytes(16), 32, gate.mac), golden("gate-hello-to-anyone"))
same("cookie key", blake2b(A_ID, 32, gate.cookie), golden("gate-cookie-to-self"))


def token_bytes(text):
    digits = text.decode().removeprefix("tl1-").replace("-", "").upper()
    return base64.b32decode(digits + "=" * (-len(digits) % 8))


bare = token_bytes(golden("token-without-address"))
INVITATION, INVITATION_SECRET = bare[1:9], bare[9:41]
for name, addresses in (
    ("token-without-address", b"\0"),
    ("token-with-three", bytes.fromhex("03 040a0102039722 0620010db8000000000000000000000007 9822 04c00002010100")),
):
    body = b"\x01" + INVITATION + INVITATION_SECRET + FABRIC + A_ID + addresses
    same(name, token_bytes(golden(name)), body + blake2b(b"tul1 token" + body, 32)[:4])

# ---- handshakes -----------------------------------------------------------------------------------------------------

XX = b"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b"
KK = b"Noise_KKpsk0_25519_ChaChaPoly_BLAKE2b"


def index_of(packet, at=4):
    return packet[at : at + 4]


def hello_head(flags, index, psk_id, responder):
    return b"\x01\x01" + struct.pack("<H", flags) + index + FABRIC[:8] + psk_id + responder


def handshake(prefix, gate, flags, psk_id, payload_r, payload_i):
    hello, reply, finish = (golden(prefix + n) for n in ("hello", "reply", "finish"))
    e_i, e_r = golden(prefix + "e-initiator"), golden(prefix + "e-responder")
    head = hello_head(flags, index_of(hello), psk_id, A_ID)
    noise = Noise(XX, b"tul1 prologue\0" + FABRIC + head)

    message = noise.e(public_of(e_i)) + noise.encrypt(b"")  # -> e
    mac1 = gate.mac1(b"hello", A_ID, head + message)
    same(prefix + "HELLO", hello, (head + message + mac1).ljust(1200, b"\0"))

    packet = golden(prefix + "cookie")
    same(prefix + "COOKIE head", packet[:8], b"\x02\x01\0\0" + index_of(hello))
    cookie = xopen(blake2b(A_ID, 32, gate.cookie), packet[8:32], mac1, packet[32:])
    mac2 = blake2b(hello[:104], 16, cookie)
    same(prefix + "HELLO again", golden(prefix + "hello-stamped"), hello[:104] + mac2 + hello[120:])

    head = b"\x03\x01\0\0" + index_of(reply) + index_of(hello) + bytes(4)
    message = noise.e(public_of(e_r))  # <- e, ee, s, es
    noise.dh(e_i, public_of(e_r))
    message += noise.encrypt(A_S)
    noise.dh(e_i, A_S)
    message += noise.encrypt(payload_r.ljust(1072, b"\0"))
    same(prefix + "REPLY", reply, head + message + gate.mac1(b"reply", mac1, (head + message)[:48]))

    head = b"\x04\x01\0\0" + index_of(hello) + index_of(reply) + bytes(4)
    message = noise.encrypt(B_S)  # -> s, se, psk
    noise.dh(b_s, public_of(e_r))
    noise.psk(gate.psk)
    message += noise.encrypt(payload_i.ljust(1104, b"\0"))
    same(prefix + "FINISH", finish, head + message + gate.mac1(b"finish", mac1, (head + message)[:64]))
    return noise, index_of(hello), index_of(reply)


def payload(cert, boot, list_version):
    head = b"\x01\x01" + struct.pack("<H", len(cert)) + cert.ljust(232, b"\0")
    return head + boot + struct.pack("<QIHHI", 5, list_version, 8855, 8855, 16384)


B_CERT_SHOWN = golden("payload-finish")[4:236]
B_CERT = certificate(B_CERT_SHOWN, B_S, b"bert", 2, 0, 1)
A_BOOT, B_BOOT = golden("payload-reply")[236:252], golden("payload-finish")[236:252]
PAYLOAD_A, PAYLOAD_B = payload(A_CERT, A_BOOT, 1), payload(B_CERT, B_BOOT, 1)
PAYLOAD_NEWCOMER = payload(b"", B_BOOT, 0)
same("payload of REPLY", PAYLOAD_A, golden("payload-reply"))
same("payload of FINISH", PAYLOAD_B, golden("payload-finish"))
same("payload of a newcomer", PAYLOAD_NEWCOMER, golden("payload-finish-join"))

handshake("join-", Gate(INVITATION_SECRET), 1, INVITATION, PAYLOAD_A, PAYLOAD_NEWCOMER)
noise, index_i, index_r = handshake("", gate, 0, struct.pack("<Q", 1), PAYLOAD_A, PAYLOAD_B)

hello = golden("hello-to-anyone")
head = hello_head(0, index_of(hello), struct.pack("<Q", 1), bytes(16))
anyone = Noise(XX, b"tul1 prologue\0" + FABRIC + head)
message = anyone.e(public_of(golden("e-initiator-to-anyone"))) + anyone.encrypt(b"")
mac1 = gate.mac1(b"hello", bytes(16), head + message)
same("HELLO to anyone", hello, (head + message + mac1).ljust(1200, b"\0"))

# ---- grant and trust files ------------------------------------------------------------------------------------------


def member(key, serial, roles, name):
    return key + struct.pack("<QI", serial, roles) + bytes([len(name)]) + name.ljust(63, b"\0")


grant = b"\x01\0\0\0" + B_CERT + AUTHORITY + struct.pack("<Q", 1) + SECRET + b"\x04" + b"anna".ljust(63, b"\0")
grant += struct.pack("<I", len(LIST)) + LIST + struct.pack("<H", 2)
grant += member(A_S, 1, 3, b"anna") + member(B_S, 2, 1, b"bert")
same("grant", golden("grant"), grant)


def b64(data):
    return base64.b64encode(data).decode()


def member_line(key, serial, name, roles):
    return f"member {id_text(node_id(key))} key={b64(key)} serial={serial} name={name} roles={roles}"


def trust_file(name, lines):
    text = "".join(line + "\n" for line in lines).encode()
    text += f"end {b64(blake2b(text, 32))}\n".encode()
    same(name, golden(name), text)


TOP = ["tulle-trust 1", "generation %d", f"fabric {base32(FABRIC)} authority={b64(AUTHORITY)} name=anna"]
ADMISSION = f"admission 1 {b64(SECRET)}"
A_SELF, B_SELF = f"self {id_text(A_ID)} cert={b64(A_CERT)}", f"self {id_text(B_ID)} cert={b64(B_CERT)}"
A_LINE, B_LINE = member_line(A_S, 1, "anna", "0x3"), member_line(B_S, 2, "bert", "0x1")
LIST_LINE = f"revocations 1 {b64(LIST)}"
USED = (
    f"invitation {INVITATION.hex()} secret={b64(INVITATION_SECRET)} roles=0x1 expires=910000000000 "
    f"boot={A_BOOT.hex()} used_by={b64(B_S)}"
)


def top(generation):
    return [TOP[0], TOP[1] % generation, TOP[2]]


trust_file("anna-trust-of-one", top(1) + [ADMISSION, A_SELF, "issued 1", A_LINE, LIST_LINE])
trust_file("anna-trust", top(3) + [ADMISSION, A_SELF, "issued 2", USED, A_LINE, B_LINE, LIST_LINE])
trust_file("bert-trust", top(2) + [ADMISSION, B_SELF, A_LINE, B_LINE, LIST_LINE])
revoked = golden("anna-trust-revoked").decode().split("\n")
same("previous", revoked[4].encode(), f"admission 1 {b64(SECRET)} previous until=86410000000000 boot={A_BOOT.hex()}".encode())
new_list = f"revocations 2 {b64(golden('revocations-one'))}"
trust_file("anna-trust-revoked", top(4) + revoked[3:5] + [A_SELF, "issued 2", USED, A_LINE, new_list])

# ---- key schedule and sessions --------------------------------------------------------------------------------------


class Epoch:
    def __init__(self, number, noise):
        self.i, self.r = noise.split()
        self.h = noise.h
        same("initiator's secret", self.i, golden(f"secret-initiator-{number}"))
        same("responder's secret", self.r, golden(f"secret-responder-{number}"))
        same("handshake hash", self.h, golden(f"handshake-hash-{number}"))
        self.chain = blake2b(b"tul1 chain" + self.r + self.h, 32, self.i)
        same("chain", self.chain, golden(f"chain-{number}"))

    def key(self, secret, label, chan):
        return blake2b(label + struct.pack("<Q", chan) + self.h, 32, secret)

    def packet(self, name, kind, to, secret, chan, counter, label=b"tul1 key", nonce=None):
        length = 0 if kind == 0x10 else 5 + 16
        head = struct.pack("<BBH", kind, 0, length) + to + struct.pack("<Q", counter)
        key = self.key(secret, label, chan)
        same(name, golden(name), head + seal(key, counter if nonce is None else nonce, head, b"tulle"))


first = Epoch(0, noise)
first.packet("data-initiator-0", 0x10, index_r, first.i, 0, 0)
first.packet("data-responder-0", 0x10, index_i, first.r, 0, 0)
for name, chan, to, opener, back, accepter in (
    ("2", 2, index_r, first.i, index_i, first.r),
    ("3", 3, index_i, first.r, index_r, first.i),
):
    first.packet(f"attach-{name}", 0x12, to, opener, chan, 1, b"tul1 attach", 0)
    first.packet(f"attach-{name}-answer", 0x12, back, accepter, chan, 1, b"tul1 attach", 0)
    first.packet(f"record-{name}-there", 0x11, to, opener, chan, 0)
    first.packet(f"record-{name}-back", 0x11, back, accepter, chan, 0)
exporter = blake2b(b"tul1 exp" + first.i + first.h, 32, first.r)
same("exporter", blake2b(b"test", 32, exporter), golden("exporter-test"))

e_i, e_r = golden("rekey-e-initiator"), golden("rekey-e-responder")
new_i, new_r = struct.pack("<I", 0x0A0B0C0D), struct.pack("<I", 0x01020304)
noise = Noise(KK, b"tul1 rekey\0" + struct.pack("<I", 1))
noise.mix_hash(B_S)
noise.mix_hash(A_S)
noise.psk(first.chain)  # -> psk, e, es, ss
message = noise.e(public_of(e_i))
noise.dh(e_i, A_S)
noise.dh(b_s, A_S)
same("REKEY1", golden("rekey1"), message + noise.encrypt(new_i))
message = noise.e(public_of(e_r))  # <- e, ee, se
noise.dh(e_i, public_of(e_r))
noise.dh(b_s, public_of(e_r))
same("REKEY2", golden("rekey2"), message + noise.encrypt(new_r))
second = Epoch(1, noise)
second.packet("data-initiator-1", 0x10, new_r, second.i, 0, 1)  # numbers run on

print(f"{checks} values agree")
