/*
 * What code made by `tulle gen` calls. Programs need nothing of it.
 *
 * Measuring goes before encoding: it looks at each value once, refuses what the interface does not
 * allow, and yields an upper bound of the size. Encoding is pack.h on room of that size.
 *
 * Decoding reads each byte once and may be given memory that somebody else is writing to. As in
 * pack.h a wrong value is remembered and everything after it yields zeros, so code reads straight
 * through and asks at the end. The first wrong value is named by the names that the decoding
 * functions are given: `store.put: argument 'value': member 'name' is longer than 64 bytes`.
 */
#ifndef TULLE_TYPED_H
#define TULLE_TYPED_H

#include "tulle/call.h"
#include "tulle/memory.h"
#include "tulle/pack.h"
#include "tulle/service.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- measuring ---- */

#define TULLE_MEASURE_MAX ((size_t)1 << 30)

struct tulle_measure {
  size_t size;
  const char *name; /* of the first wrong value, or NULL */
  const char *why;
};

/* `size`: of all that is always there. */
static inline struct tulle_measure tulle_measure_from(size_t size) {
  struct tulle_measure m = {size, NULL, NULL};
  return m;
}

static inline void tulle_measure_refuse(struct tulle_measure *m, const char *name,
                                        const char *why) {
  if (m->why) return;
  m->name = name;
  m->why = why;
}

static inline void tulle_measure_add_(struct tulle_measure *m, const char *name, size_t size) {
  if (size > TULLE_MEASURE_MAX - m->size)
    tulle_measure_refuse(m, name, "is too big for a message");
  else
    m->size += size;
}

/* `bound`: the most bytes that it may have, or 0. */
static inline void tulle_measure_text(struct tulle_measure *m, const char *name, const char *text,
                                      size_t bound) {
  if (!text) {
    tulle_measure_refuse(m, name, "is NULL");
    return;
  }
  size_t size = strlen(text);
  if (bound && size > bound) tulle_measure_refuse(m, name, "is too long");
  tulle_measure_add_(m, name, size);
}

static inline void tulle_measure_bytes(struct tulle_measure *m, const char *name, const void *data,
                                       size_t size, size_t bound) {
  if (size && !data) tulle_measure_refuse(m, name, "is NULL and has a size");
  if (bound && size > bound) tulle_measure_refuse(m, name, "is too long");
  tulle_measure_add_(m, name, size);
}

/* A list or map whose elements take `element_size` bytes each beside what is measured one by one.
 * Returns how many of them may be looked at. */
static inline size_t tulle_measure_list(struct tulle_measure *m, const char *name,
                                        const void *elements, size_t count, size_t bound,
                                        size_t element_size) {
  if (count && !elements) tulle_measure_refuse(m, name, "is NULL and has a count");
  if (bound && count > bound) tulle_measure_refuse(m, name, "has too many elements");
  bool is_sane = count <= TULLE_MEASURE_MAX / element_size;
  tulle_measure_add_(m, name, is_sane ? count * element_size : TULLE_MEASURE_MAX);
  return m->why ? 0 : count;
}

/* ---- decoding ---- */

#define TULLE_DECODE_PATH_MAX 16
#define TULLE_DECODE_DEAD     SIZE_MAX

struct tulle_decoder {
  struct tulle_unpack in;
  struct tulle_memory *memory;
  size_t budget; /* bytes that it may still take of `memory` */
  bool is_newer; /* the sender's interface is newer: what is unknown is passed over */
  bool in_place; /* the bytes live as long as the values do */
  int status;    /* 0, or why it has failed */
  unsigned path_count;
  const char *path[TULLE_DECODE_PATH_MAX]; /* of the wrong value, the innermost name first */
  char why[96];
};

/* Decodes `size` bytes; takes at most 64 KiB and 32 times `size` of `memory`. Everything is
 * borrowed. */
TULLE_PUBLIC void tulle_decode_begin(struct tulle_decoder *d, const void *data, size_t size,
                                     struct tulle_memory *memory);

/* The value `name` is wrong: why goes on after its name. Only the first one counts. */
TULLE_PUBLIC void tulle_decode_refuse(struct tulle_decoder *d, const char *name, int code,
                                      const char *why, ...) __attribute__((format(printf, 4, 5)));

/* The sentence for people. `kind` is what the outermost names are: "argument" or "result". */
TULLE_PUBLIC void tulle_decode_explain(const struct tulle_decoder *d, const char *procedure,
                                       const char *kind, char *out, size_t out_size);

/* The array around arguments or results, of which there is none if there are none of them; and
 * the end of the message. */
TULLE_PUBLIC size_t tulle_decode_values(struct tulle_decoder *d, size_t needed, size_t known);
TULLE_PUBLIC int tulle_decode_values_end(struct tulle_decoder *d, size_t count, size_t known);

/* Where there are no arguments or no results. */
TULLE_PUBLIC int tulle_decode_nothing(struct tulle_decoder *d);

/* The array of a struct or union: how many of its values came, at least `needed`. */
TULLE_PUBLIC size_t tulle_decode_struct(struct tulle_decoder *d, size_t needed, size_t known);
TULLE_PUBLIC void tulle_decode_struct_end_(struct tulle_decoder *d, const char *name, size_t count,
                                           size_t known);
static inline void tulle_decode_struct_end(struct tulle_decoder *d, const char *name, size_t count,
                                           size_t known) {
  if (d->status || count > known) tulle_decode_struct_end_(d, name, count, known);
}

/* The end of a union, whose alternative goes with `wanted` values of which `count` came. */
TULLE_PUBLIC void tulle_decode_union_end(struct tulle_decoder *d, const char *name, size_t count,
                                         size_t wanted);

/* Passes over a value. */
TULLE_PUBLIC void tulle_decode_skip(struct tulle_decoder *d);

/* False: the optional value that comes next is absent, and has been passed over. */
static inline bool tulle_decode_is_there(struct tulle_decoder *d) {
  if (d->in.at == d->in.end || *d->in.at != 0xc0) return !d->status;
  d->in.at++;
  return false;
}

/* Zeroed memory for one value, or NULL. */
TULLE_PUBLIC void *tulle_decode_take(struct tulle_decoder *d, const char *name, size_t size);

TULLE_PUBLIC uint64_t tulle_decode_uint_(struct tulle_decoder *d, const char *name, uint64_t max);
static inline uint64_t tulle_decode_uint(struct tulle_decoder *d, const char *name, uint64_t max) {
  const unsigned char *p = d->in.at;
  if (p == d->in.end) return tulle_decode_uint_(d, name, max);
  unsigned char first = *p; /* fetched once */
  if (first >= 0x80 || first > max) return tulle_decode_uint_(d, name, max);
  d->in.at = p + 1;
  return first;
}

TULLE_PUBLIC int64_t tulle_decode_int(struct tulle_decoder *d, const char *name, int64_t min,
                                      int64_t max);
TULLE_PUBLIC bool tulle_decode_bool(struct tulle_decoder *d, const char *name);
TULLE_PUBLIC double tulle_decode_double(struct tulle_decoder *d, const char *name);

/* UTF-8 without a zero byte, and a zero byte behind it, in memory. NULL on failure alone. */
TULLE_PUBLIC const char *tulle_decode_text(struct tulle_decoder *d, const char *name, size_t bound);

TULLE_PUBLIC const void *tulle_decode_bytes(struct tulle_decoder *d, const char *name, size_t bound,
                                            size_t *out_size);

/* Exactly `size` bytes into `out`. */
TULLE_PUBLIC void tulle_decode_bytes_into(struct tulle_decoder *d, const char *name, void *out,
                                          size_t size);

/* Memory for the elements of a list, or the pairs of a map, which the caller decodes: `size` bytes
 * each. The count is 0 on failure. */
TULLE_PUBLIC void *tulle_decode_list(struct tulle_decoder *d, const char *name, size_t bound,
                                     size_t size, size_t *out_count);
TULLE_PUBLIC void *tulle_decode_map(struct tulle_decoder *d, const char *name, size_t bound,
                                    size_t size, size_t *out_count);

/* An array of exactly `count` elements. */
TULLE_PUBLIC void tulle_decode_array(struct tulle_decoder *d, const char *name, size_t count);

/* No key may come twice. Keys are the first member of `count` pairs of `size` bytes each: texts, if
 * `key_size` is 0, else values of that size. */
TULLE_PUBLIC void tulle_decode_unique(struct tulle_decoder *d, const char *name, const void *pairs,
                                      size_t count, size_t size, size_t key_size);

/* ---- calling ---- */

#define TULLE_REQUEST_BYTES 512

/* A call that is made. Members are private except `results`. */
struct tulle_request {
  struct tulle_decoder results;
  struct tulle_pack pack;
  struct tulle_channel *channel;
  const char *procedure; /* "interface.procedure" */
  struct tulle_memory before;
  struct tulle_result result;
  void *owned;
  int status;
  unsigned char bytes[TULLE_REQUEST_BYTES];
};

/* Where the arguments are to be packed, or NULL: it failed, and the next function says why. */
TULLE_PUBLIC struct tulle_pack *tulle_request_begin(struct tulle_request *q, void *channel,
                                                    const char *procedure,
                                                    const struct tulle_measure *m);

/* One of the three. 0 of the first: the results are to be decoded, and tulle_request_end() called.
 */
TULLE_PUBLIC int tulle_request_call(struct tulle_request *q, uint64_t timeout_ns,
                                    struct tulle_memory *memory);
TULLE_PUBLIC int tulle_request_one_way(struct tulle_request *q);
TULLE_PUBLIC int tulle_request_async(struct tulle_request *q, uint64_t timeout_ns,
                                     tulle_completion *completion, void (*done)(void),
                                     void *userdata, struct tulle_pending **out);

/* Whether the results were right. If not `memory` is as it was. */
TULLE_PUBLIC int tulle_request_end(struct tulle_request *q);

#define TULLE_COMPLETED_BYTES 512

/* An asynchronous call that has ended. */
struct tulle_completed {
  struct tulle_decoder results;
  int status; /* 0: the results are to be decoded */
  void (*done)(void);
  void *userdata;
  struct tulle_memory memory;
  unsigned char bytes[TULLE_COMPLETED_BYTES];
};

TULLE_PUBLIC void tulle_completed_begin(struct tulle_completed *c, void *userdata, int status,
                                        const struct tulle_result *result);
TULLE_PUBLIC void tulle_completed_check(struct tulle_completed *c, const char *procedure);
TULLE_PUBLIC void tulle_completed_end(struct tulle_completed *c);

/* ---- serving ---- */

/* A call's arguments, in the memory of the call. */
TULLE_PUBLIC void tulle_decode_call(struct tulle_decoder *d, struct tulle_call_context *call);

/* Answers a call whose arguments were wrong. Returns what the handler has to return. */
TULLE_PUBLIC int tulle_refuse_call(struct tulle_call_context *call, const struct tulle_decoder *d,
                                   const char *procedure);

/* An answer that is made. */
struct tulle_answer {
  struct tulle_pack pack;
  struct tulle_call_context *call;
  void *owned;
  int status;
  unsigned char bytes[TULLE_REQUEST_BYTES];
};

/* Where the results are to be packed, or NULL: the next function has answered with an error. */
TULLE_PUBLIC struct tulle_pack *tulle_answer_begin(struct tulle_answer *a,
                                                   struct tulle_call_context *call,
                                                   const char *procedure,
                                                   const struct tulle_measure *m);
TULLE_PUBLIC int tulle_answer_end(struct tulle_answer *a);

/* Offers those of `procedures` that have a handler under `offer->name`, or `name` if it has none. */
TULLE_PUBLIC int tulle_offer_procedures(struct tulle *t, const char *name,
                                        const struct tulle_procedure *procedures, size_t count,
                                        void *object, const struct tulle_offer *offer,
                                        struct tulle_service **out);

#ifdef __cplusplus
}
#endif
#endif
