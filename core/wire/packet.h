/*
 * Every packet that two nodes exchange, on one screen. All integers are little-endian.
 *
 *   HELLO (0x01), 1,200 bytes                             COOKIE (0x02), 64 bytes, UDP only
 *     0  1 type             1  1 version = 1                0  1 type            1  1 version = 1
 *     2  2 flags (bit 0: JOIN)                              2  2 zero            4  4
 * receiver_index 4  4 sender_index     8  8 fabric_tag                 8 24 nonce 16  8 psk_id 24
 * 16 responder_id              32 32 sealed cookie 40 48 Noise message 1 88 16 mac1           104
 * 16 mac2 or zero 120    zeros
 *
 *   REPLY (0x03) and FINISH (0x04), 1,200 bytes           DATA (0x10, UDP), RECORD (0x11, TCP),
 * ATTACH (0x12, TCP) 0  1 type             1  1 version = 1                0  1 type            1
 * 1 flags = 0 2  2 zero             4  4 sender_index               2  2 length of what follows
 * (TCP), zero (UDP) 8  4 receiver_index  12  4 zero                       4  4 receiver_index  8  8
 * counter 16    Noise message 2 or 3 (1,168 bytes)              16    sealed frames, then 16 bytes
 * of tag 1184 16 mac1
 *
 *   payload inside REPLY and FINISH, zeros behind it to the end of the Noise message
 *     0  1 min_version      1  1 max_version   2  2 certificate length (232, or 0 when joining)
 *     4 232 certificate   236 16 boot_id     252  8 features       260  4 revocation list version
 *   264  2 udp_port       266  2 tcp_port    268  4 max_record     272 end
 *
 * Decoders check sizes, types, versions, flags and zeros, and nothing else: what a field means is
 * for crypto/handshake.h, crypto/responder.h and crypto/session.h. They leave pointers into the
 * packet.
 */
#ifndef TL_CORE_WIRE_PACKET_H
#define TL_CORE_WIRE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire/certificate.h"

enum tl_packet_type {
  TL_PACKET_HELLO = 0x01,
  TL_PACKET_COOKIE = 0x02,
  TL_PACKET_REPLY = 0x03,
  TL_PACKET_FINISH = 0x04,
  TL_PACKET_DATA = 0x10,
  TL_PACKET_RECORD = 0x11,
  TL_PACKET_ATTACH = 0x12,
};

#define TL_PACKET_VERSION 1

#define TL_HANDSHAKE_BYTES                                                                         \
  1200 /* HELLO, REPLY and FINISH: proves that the path carries as much                            \
        */
#define TL_COOKIE_BYTES           64
#define TL_PACKET_HEAD_BYTES      16 /* of DATA, RECORD and ATTACH; also their associated data */
#define TL_PACKET_TAG_BYTES       16
#define TL_PACKET_OVERHEAD        (TL_PACKET_HEAD_BYTES + TL_PACKET_TAG_BYTES)
#define TL_RECORD_PLAIN_BYTES_MAX (65535 - TL_PACKET_TAG_BYTES) /* the length field has 16 bits */

#define TL_HELLO_JOIN 0x0001

/* What is covered by what. */
#define TL_HELLO_PROLOGUE_BYTES 40 /* HELLO bytes that enter the Noise prologue */
#define TL_HELLO_MAC1_AT        88
#define TL_HELLO_MAC2_AT        104
#define TL_HELLO_END            120 /* zeros from here on */
#define TL_HELLO_NOISE_BYTES    48
#define TL_REPLY_NOISE_AT       16
#define TL_REPLY_NOISE_BYTES    1168
#define TL_REPLY_MAC1_AT        1184
#define TL_REPLY_MAC1_COVERS    48 /* header and e */
#define TL_FINISH_MAC1_COVERS   64 /* header and the sealed static key */
#define TL_REPLY_PAYLOAD_BYTES  (1168 - 32 - 48 - 16)
#define TL_FINISH_PAYLOAD_BYTES (1168 - 48 - 16)

struct tl_packet_hello {
  uint16_t flags;
  uint32_t sender_index;
  const uint8_t *fabric_tag;   /* 8 bytes */
  const uint8_t *psk_id;       /* 8 bytes: admission epoch, or invitation id under JOIN */
  const uint8_t *responder_id; /* 16 bytes; all zero: whoever is at that address */
  const uint8_t *noise;        /* 48 bytes */
  const uint8_t *mac1;         /* 16 bytes */
  const uint8_t *mac2;         /* 16 bytes */
};

struct tl_packet_cookie {
  uint32_t receiver_index;
  const uint8_t *nonce;  /* 24 bytes */
  const uint8_t *sealed; /* 32 bytes */
};

/* REPLY and FINISH. */
struct tl_packet_reply {
  uint32_t sender_index;
  uint32_t receiver_index;
  const uint8_t *noise; /* 1,168 bytes */
  const uint8_t *mac1;  /* 16 bytes */
};

struct tl_packet_data {
  uint8_t type; /* DATA, RECORD or ATTACH */
  uint16_t length;
  uint32_t receiver_index;
  uint64_t counter;
};

struct tl_packet_payload {
  uint8_t min_version;
  uint8_t max_version;
  const uint8_t *certificate; /* TL_CERTIFICATE_BYTES, or NULL when joining */
  const uint8_t *boot_id;     /* 16 bytes */
  uint64_t features;
  uint32_t revocation_version;
  uint16_t udp_port;
  uint16_t tcp_port;
  uint32_t max_record;
};

/* The type of a packet, or 0 for an empty one: where a receiver forks. */
uint8_t tl_packet_type_of(const uint8_t *packet, size_t size);

/* The receiver_index of any packet but HELLO; 0 or TULLE_E_BAD_MESSAGE (too short, or a type
 * without one). */
int tl_packet_receiver_index(const uint8_t *packet, size_t size, uint32_t *out_index);

/* Cuts a TCP stream: the size of the packet that begins at `data`, of which `size` bytes are here.
 * 0, TL_MORE while fewer than 4 bytes are here, or TULLE_E_PROTOCOL (a type that does not travel
 * over TCP, a RECORD without a tag). */
int tl_packet_cut(const uint8_t *data, size_t size, size_t *out_packet_bytes);

/* Encoders fill the whole packet; the macs are left zero (crypto computes them over what stands
 * before). */
void tl_packet_hello_encode(const struct tl_packet_hello *h, uint8_t out[TL_HANDSHAKE_BYTES]);
void tl_packet_cookie_encode(const struct tl_packet_cookie *c, uint8_t out[TL_COOKIE_BYTES]);
void tl_packet_reply_encode_head(uint8_t type, uint32_t sender_index, uint32_t receiver_index,
                                 uint8_t out[TL_REPLY_NOISE_AT]);
void tl_packet_data_encode(const struct tl_packet_data *h, uint8_t out[TL_PACKET_HEAD_BYTES]);

/* Decoders return 0 or a code of enum tl_packet_fault: where the first fault is. */
enum tl_packet_fault {
  TL_PACKET_FAULT_SIZE = 1,
  TL_PACKET_FAULT_TYPE,
  TL_PACKET_FAULT_VERSION,
  TL_PACKET_FAULT_FLAGS,
  TL_PACKET_FAULT_PADDING,
};

int tl_packet_hello_decode(const uint8_t *packet, size_t size, struct tl_packet_hello *out);
int tl_packet_cookie_decode(const uint8_t *packet, size_t size, struct tl_packet_cookie *out);
int tl_packet_reply_decode(const uint8_t *packet, size_t size, uint8_t type,
                           struct tl_packet_reply *out);
int tl_packet_data_decode(const uint8_t *packet, size_t size, struct tl_packet_data *out);

/* The payload, padded to `size` bytes. */
void tl_packet_payload_encode(const struct tl_packet_payload *p, uint8_t *out, size_t size);
int tl_packet_payload_decode(const uint8_t *data, size_t size, struct tl_packet_payload *out);

#endif
