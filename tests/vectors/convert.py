#!/usr/bin/env python3
"""Turns published vectors (JSON) into the line files of tests/vectors/noise, which C can read.

usage: convert.py JSON_FOLDER tests/vectors/noise

noise/README.md says where the JSON files come from and what a line means.
"""
import json
import pathlib
import sys


def field(value):
    return value if value else "-"


def noise_vector(v):
    name = v.get("protocol_name") or v["name"]
    psks = v.get("init_psks") or []
    assert psks == (v.get("resp_psks") or [])
    yield f"vector {name}"
    yield f"prologue {field(v.get('init_prologue'))} {field(v.get('resp_prologue'))}"
    for key in "static", "ephemeral", "remote_static":
        yield f"{key} {field(v.get('init_' + key))} {field(v.get('resp_' + key))}"
    yield " ".join(["psks", str(len(psks)), *psks])
    yield f"hash {field(v.get('handshake_hash'))}"
    for m in v["messages"]:
        yield f"message {field(m['payload'])} {field(m['ciphertext'])}"
    yield "end"


def noise(data):
    for v in data["vectors"]:
        if not (v.get("protocol_name") or v["name"]).startswith("NoisePSK_"):
            yield from noise_vector(v)


def cases(data):
    for group in data["testGroups"]:
        for test in group["tests"]:
            yield group, test


def x25519(data):
    for _, t in cases(data):
        low = {"LowOrderPublic", "ZeroSharedSecret"} & set(t["flags"])
        yield " ".join(["low" if low else "good", t["private"], t["public"], t["shared"]])


def aead(nonce_bytes):
    def convert(data):
        for group, t in cases(data):
            if group["ivSize"] == nonce_bytes * 8 and group["tagSize"] == 128:
                yield " ".join([t["result"], t["key"], t["iv"], *map(field, (t["aad"], t["msg"], t["ct"])), t["tag"]])

    return convert


def ed25519(data):
    for group, t in cases(data):
        yield " ".join([t["result"], group["publicKey"]["pk"], field(t["msg"]), field(t["sig"])])


def blake2b(data):
    for v in data["vectors"]:
        yield " ".join([field(v["key"]), field(v["in"]), v["out"]])


def rfc(data):
    for v in data["x25519"]:
        yield f"x25519 {v['scalar']} {v['u']} {v['out']}"
    v = data["x25519_iterated"]
    for count in 1, 1000:
        yield f"iterated {count} {v['start']} {v[f'after_{count}']}"
    v = data["x25519_dh"]
    yield f"dh {v['a_priv']} {v['a_pub']} {v['b_priv']} {v['b_pub']} {v['shared']}"
    for v in data["chacha20poly1305_ietf"]:
        yield " ".join(["aead", *(v[k] for k in ("key", "nonce", "aad", "plaintext", "ciphertext", "tag"))])


FILES = {
    "cacophony": noise,
    "snow-multipsk": noise,
    "noise-c-basic": noise,
    "primitives/wycheproof_x25519": x25519,
    "primitives/wycheproof_chacha20_poly1305": aead(12),
    "primitives/wycheproof_xchacha20_poly1305": aead(24),
    "primitives/wycheproof_ed25519": ed25519,
    "primitives/blake2b-kat": blake2b,
    "primitives/rfc7748-rfc8439": rfc,
}


def main(source, target):
    for name, convert in FILES.items():
        data = json.loads((pathlib.Path(source) / f"{name}.json").read_text())
        out = pathlib.Path(target) / (pathlib.Path(name).name.replace("_", "-") + ".txt")
        out.parent.mkdir(parents=True, exist_ok=True)
        lines = list(convert(data))
        out.write_text("\n".join(lines) + "\n")
        print(f"{out}: {len(lines)} lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
