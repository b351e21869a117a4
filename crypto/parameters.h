/*
 * Every timer and limit of handshake, session and membership, as one structure, so that a test can
 * set 50 ms or 1,000 packets. Nodes use tl_parameters_default. Times are nanoseconds.
 */
#ifndef TL_CRYPTO_PARAMETERS_H
#define TL_CRYPTO_PARAMETERS_H

#include <stdint.h>

/* Sizes that are part of structures and therefore not parameters. */
#define TL_HALF_OPEN_MAX                                                                           \
  256 /* 256 times 2 KiB is what strangers with a cookie can make us hold                          \
       */
#define TL_INVITATIONS_MAX 8
#define TL_CHANNELS_MAX    8 /* TCP channels of one session */

struct tl_parameters {
  /* Initiator: the same bytes again after first, doubling to cap, until give_up. */
  uint64_t retransmit_first_ns; /* 100 ms */
  uint64_t retransmit_cap_ns;   /* 250 ms */
  uint64_t give_up_ns;          /* 30 s */
  uint64_t cookie_keep_ns;      /* 120 s: how long an initiator reuses a cookie */

  /* Responder. */
  uint64_t cookie_secret_ns; /* 120 s: life of the secret under the cookies; the one before it still
                                counts */
  uint64_t half_open_ns;     /* 10 s */
  uint32_t half_open_per_source; /* 8 */
  uint32_t bad_finish_max;       /* 32 failed FINISHes drop a half-open entry */
  uint32_t source_rate;          /* 20 handshakes/s per IPv4 /32 or IPv6 /64 */
  uint32_t source_burst;         /* 5 */
  uint32_t node_rate;            /* 500/s altogether: 6 % of a core */
  uint32_t node_burst;           /* 50 */

  /* Session. Whatever comes first begins a rekey or ends the session. */
  uint64_t rekey_after_ns;      /* 120 s since the epoch began */
  uint64_t rekey_jitter_ns;     /* 10 s, subtracted at random */
  uint64_t rekey_after_packets; /* 2^32 sent or received in an epoch */
  uint64_t rekey_after_bytes;   /* 2^40 */
  uint64_t end_after_ns;        /* 180 s */
  uint64_t end_after_packets;   /* 2^40 */
  uint64_t end_after_forgeries; /* 2^36 failed opens of an epoch */
  uint64_t keep_old_ns;         /* 10 s: receive keys of the epoch before */

  /* Membership. */
  uint64_t invitation_ns;         /* 15 min, CLOCK_BOOTTIME */
  uint32_t invitation_bad_max;    /* 3 failed FINISHes burn it */
  uint64_t previous_admission_ns; /* 24 h of uptime */
  uint64_t clone_window_ns;       /* 60 s */
  uint32_t clone_changes_max;     /* 1 to 8: the 3rd change of boot id in the window refuses ... */
  uint64_t clone_refuse_ns;       /* ... for 600 s */
};

extern const struct tl_parameters tl_parameters_default;

#endif
