/*
 * Every bound that more than one folder must know, with its reason. A bound of one object alone
 * stands at the top of that object's file.
 */
#ifndef TL_CORE_LIMITS_H
#define TL_CORE_LIMITS_H

/* Names: a service or node name is a DNS label plus dots, so that it can be announced and typed. */
#define TL_SERVICE_NAME_BYTES_MAX   63
#define TL_NODE_NAME_BYTES_MAX      63 /* the certificate has 64 bytes with a terminating zero */
#define TL_PROCEDURE_NAME_BYTES_MAX 63
#define TL_CAPABILITY_BYTES_MAX     63
#define TL_CAPABILITIES_MAX         24 /* a group of avahi-daemon holds 32 records, four are ours */
#define TL_ATTRIBUTE_BYTES_MAX      255
#define TL_ATTRIBUTES_MAX           16

/* An interface: what its fingerprint has, and what its text may have (docs/interface-language.md). */
#define TL_FINGERPRINT_BYTES   32
#define TL_INTERFACE_BYTES_MAX (256u << 10)

/* A message is one call, reply or signal, whatever number of records carries it. */
#define TL_MESSAGE_BYTES_MAX                                                                       \
  (64u << 20) /* what one account may hold in reassembly, SECURITY 4.2.8 */

/* Rings: the smallest is one page, so an idle channel costs four pages in all. */
#define TL_RING_BYTES_MIN 4096u
#define TL_RING_BYTES_MAX (64u << 20)

/* One turn of a loop on one channel: nobody else waits longer than this (ARCHITECTURE 4.2). */
#define TL_TURN_RECORDS_MAX 256
#define TL_TURN_BYTES_MAX   (1u << 20)

/* msgpack: what a checked message may claim, before any library decodes it. */
#define TL_MSGPACK_DEPTH_MAX   16
#define TL_MSGPACK_OBJECTS_MAX 4096

/* Descriptors in one control message. */
#define TL_CONTROL_FDS_MAX   4
#define TL_CONTROL_BYTES_MAX 4096

/* Default of every wait that a person did not bound. */
#define TL_DEADLINE_DEFAULT_NS UINT64_C(5000000000)

#define TL_PORT_DEFAULT 8855

#endif
