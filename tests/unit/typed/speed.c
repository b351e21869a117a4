/*
 * What encoding and decoding a struct of 295 bytes costs: an id, a string, two doubles, a number, 256
 * bytes; beside msgpack-c on the same values, in the same run. Prints, and judges nothing: figures
 * of a shared machine are for people. `speed ROUNDS`; without it a few, as a test that it works.
 */
#include "sample.tulle.c"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPEATS 300

static unsigned char bytes[1024];
static struct sample_record record;

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Keeps the compiler from seeing that a round does what the one before did. */
static void forget(void *p) {
  __asm__ volatile("" : : "r"(p) : "memory");
}

static size_t encode_typed(void) {
  struct tulle_measure m = tulle_measure_from(300);
  measure_record(&m, &record);
  if (m.why || m.size > sizeof bytes) abort();
  struct tulle_pack w = tulle_pack_on(bytes, m.size);
  encode_record(&w, &record);
  return tulle_pack_size(&w);
}

static size_t encode_msgpack(void) {
  static msgpack_sbuffer buffer;
  msgpack_packer w;
  size_t length = strlen(record.name);
  msgpack_sbuffer_clear(&buffer);
  msgpack_packer_init(&w, &buffer, msgpack_sbuffer_write);
  msgpack_pack_array(&w, 6);
  msgpack_pack_uint64(&w, record.id);
  msgpack_pack_str(&w, length);
  msgpack_pack_str_body(&w, record.name, length);
  msgpack_pack_double(&w, record.low);
  msgpack_pack_double(&w, record.high);
  msgpack_pack_uint64(&w, record.time);
  msgpack_pack_bin(&w, sizeof record.data);
  msgpack_pack_bin_body(&w, record.data, sizeof record.data);
  return buffer.size;
}

static size_t encoded_size;

static size_t decode_typed(void) {
  static unsigned char room[256];
  struct tulle_memory memory = TULLE_MEMORY_ON(room);
  struct sample_record v;
  struct tulle_decoder d;
  tulle_decode_begin(&d, bytes, encoded_size, &memory);
  decode_record(&d, "value", &v);
  if (d.status) abort();
  forget(&v);
  return encoded_size;
}

static size_t decode_msgpack(void) {
  static msgpack_zone zone;
  msgpack_object object;
  size_t at = 0;
  if (!zone.chunk_size) msgpack_zone_init(&zone, 4096);
  msgpack_zone_clear(&zone);
  if (msgpack_unpack((const char *)bytes, encoded_size, &at, &zone, &object) < 0) abort();
  forget(&object);
  return at;
}

/* The best of some runs, in nanoseconds a round. */
static void measure(const char *name, size_t (*round)(void), long rounds) {
  double best = 1e18;
  size_t size = 0;
  for (int i = 0; i < REPEATS; i++) {
    double begin = now_ns();
    for (long n = 0; n < rounds; n++) {
      forget(&record);
      size = round();
      forget(bytes);
    }
    double each = (now_ns() - begin) / (double)rounds;
    if (each < best) best = each;
  }
  printf("%-28s %6.1f ns  %zu bytes\n", name, best, size);
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 100;
  record =
      (struct sample_record){.id = 123456789012345, .name = "a sensor", .low = -1.5, .high = 2.25};
  record.time = 1700000000000000000;
  for (size_t i = 0; i < sizeof record.data; i++) record.data[i] = (uint8_t)i;
  encoded_size = encode_typed();
  if (encode_msgpack() != encoded_size || !encoded_size) return 1;
  measure("encode, generated", encode_typed, rounds);
  measure("encode, msgpack-c", encode_msgpack, rounds);
  measure("decode, generated", decode_typed, rounds);
  measure("decode, msgpack_unpack", decode_msgpack, rounds);
  return 0;
}
