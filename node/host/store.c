#include "node/host/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/text.h"

#define INCARNATION_FILE "incarnation"

int tl_store_open(const char *path, struct tl_store *out) {
  *out = (struct tl_store){0};
  int r = tl_disk_open(path, &out->disk);
  out->is_open = r == 0;
  return r;
}

void tl_store_close(struct tl_store *s) {
  s->trust = tl_trust_free(s->trust);
  s->identity = tl_identity_free(s->identity);
  if (s->is_open) tl_disk_close(&s->disk);
  s->is_open = false;
}

/* ---- how often it has started ---- */

static int read_incarnation(const struct tl_disk *disk, uint64_t *out) {
  char text[32], *end;
  size_t size;
  int r = disk->read(disk->context, INCARNATION_FILE, (uint8_t *)text, sizeof text - 1, &size);
  *out = 0;
  if (r == TULLE_E_NOT_FOUND) return 0;
  if (r < 0) return r;
  text[size] = 0;
  uint64_t count = strtoumax(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || strcmp(end, "\n") != 0 || count >= UINT64_MAX - 1)
    return TULLE_E_BAD_MESSAGE;
  *out = count;
  return 0;
}

static int count_incarnation(const struct tl_disk *disk, uint64_t *out) {
  char text[32];
  uint64_t before;
  int r = read_incarnation(disk, &before);
  if (r < 0) return r;
  int n = snprintf(text, sizeof text, "%" PRIu64 "\n", before + 1);
  r = tl_disk_replace(disk, INCARNATION_FILE, (const uint8_t *)text, (size_t)n);
  if (r == 0) *out = before + 1;
  return r;
}

/* ---- which run of the kernel ---- */

/* A UUID in text: 32 digits of hexadecimal with dashes between them. */
static int read_boot_id(uint8_t out[16]) {
  char text[64], digits[33];
  size_t count = 0;
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return TULLE_E_UNSUPPORTED;
  ssize_t size = read(fd, text, sizeof text);
  close(fd);
  for (ssize_t i = 0; i < size && count < 32; i++)
    if (text[i] != '-') digits[count++] = text[i];
  return tl_hex_decode(digits, count, out, 16) == 16 ? 0 : TULLE_E_UNSUPPORTED;
}

int tl_store_load(struct tl_store *s, const char *node_name, uint64_t now, const char **out_what) {
  struct tl_trust_config config = {
      .disk = &s->disk, .random = &tl_random_system, .parameters = &tl_parameters_default};
  *out_what = "libsodium";
  int r = tl_crypto_start();
  if (r < 0) return r;
  *out_what = "/proc/sys/kernel/random/boot_id";
  r = read_boot_id(s->boot_id);
  if (r < 0) return r;
  *out_what = INCARNATION_FILE;
  r = count_incarnation(&s->disk, &s->incarnation);
  if (r < 0) return r;
  *out_what = TL_IDENTITY_FILE " or " TL_TRUST_FILE;
  memcpy(config.boot_id, s->boot_id, sizeof config.boot_id);
  return tl_trust_start(&config, now, node_name, node_name, &s->identity, &s->trust);
}
