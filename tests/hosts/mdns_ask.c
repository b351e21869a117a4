/*
 * Asks the network one mDNS question and prints the names in the answers, without avahi: what it
 * sees is what any DNS-SD browser sees.
 *
 *   mdns_ask INTERFACE NAME TYPE TIMEOUT_MS [EXPECTED]     e.g. eth0 _tulle._udp.local ptr 3000
 *
 * The question comes from an ordinary port, so the answers come back to it alone (RFC 6762,
 * section 6.7). It is repeated every 500 ms. Exit code 0 as soon as EXPECTED (or, without it,
 * anything) was answered, 1 when it was not.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/time.h"
#include "discovery/mdns/records.h"

#define REPEAT_MS 500

static uint16_t read_be16(struct tl_reader *r) {
  uint16_t high = tl_read_u8(r);
  return (uint16_t)(high << 8 | tl_read_u8(r));
}

/* Reads a name, which may end in a pointer to an earlier one, and returns it dotted. */
static void read_name(struct tl_reader *r, const uint8_t *packet, size_t size,
                      char out[TL_RECORD_NAME_SIZE]) {
  size_t used = 0;
  struct tl_reader at = *r;
  int jumps = 0;
  out[0] = 0;
  for (;;) {
    uint8_t length = tl_read_u8(&at);
    bool is_pointer = length >= 0xc0;
    size_t target = is_pointer ? (size_t)(length & 0x3f) << 8 | tl_read_u8(&at) : 0;
    const uint8_t *label = is_pointer ? NULL : tl_read_bytes(&at, length);
    if (!jumps) *r = at;
    if (at.failed || (!is_pointer && !length) || jumps > 20 || target > size) break;
    if (is_pointer) {
      jumps++;
      at = tl_reader_on(packet + target, size - target);
      continue;
    }
    if (used + length + 2 > TL_RECORD_NAME_SIZE) break;
    used += (size_t)snprintf(out + used, TL_RECORD_NAME_SIZE - used, "%s%.*s", used ? "." : "",
                             length, (const char *)label);
  }
}

/* Prints the targets of the PTR records and the names of others. True when one is what was
 * expected. */
static bool answers_print(const uint8_t *packet, size_t size, const char *expected) {
  struct tl_reader r = tl_reader_on(packet, size);
  char name[TL_RECORD_NAME_SIZE];
  (void)tl_read_bytes(&r, 4);
  int questions = read_be16(&r), answers = read_be16(&r);
  bool is_found = false;
  (void)tl_read_bytes(&r, 4);
  for (int i = 0; i < questions; i++) {
    read_name(&r, packet, size, name);
    (void)tl_read_bytes(&r, 4);
  }
  for (int i = 0; i < answers && !r.failed; i++) {
    read_name(&r, packet, size, name);
    uint16_t type = read_be16(&r);
    (void)tl_read_bytes(&r, 6);
    uint16_t data_size = read_be16(&r);
    struct tl_reader data = r;
    (void)tl_read_bytes(&r, data_size);
    if (r.failed) break;
    if (type == TL_RECORD_PTR) read_name(&data, packet, size, name);
    printf("%s\n", name);
    is_found |= !expected || !strcmp(name, expected);
  }
  return is_found;
}

static size_t question(const char *name, uint16_t type, uint8_t out[512]) {
  struct tl_writer w = tl_writer_on(out, 512);
  uint8_t encoded[TL_RECORD_NAME_SIZE];
  int size = tl_records_name(name, encoded);
  if (size < 0) return 0;
  tl_write_zeros(&w, 5);
  tl_write_u8(&w, 1);
  tl_write_zeros(&w, 6);
  tl_write_bytes(&w, encoded, (size_t)size);
  tl_write_u8(&w, (uint8_t)(type >> 8));
  tl_write_u8(&w, (uint8_t)type);
  tl_write_u8(&w, 0);
  tl_write_u8(&w, 1);
  return tl_writer_size(&w);
}

static uint16_t type_of(const char *text) {
  if (!strcmp(text, "ptr")) return TL_RECORD_PTR;
  if (!strcmp(text, "srv")) return TL_RECORD_SRV;
  return TL_RECORD_TXT;
}

int main(int argc, char **argv) {
  uint8_t packet[9000];
  if (argc < 5)
    return fputs("usage: mdns_ask INTERFACE NAME TYPE TIMEOUT_MS [EXPECTED]\n", stderr), 2;
  struct ip_mreqn via = {.imr_ifindex = (int)if_nametoindex(argv[1])};
  struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(5353)};
  inet_pton(AF_INET, "224.0.0.251", &group.sin_addr);
  size_t size = question(argv[2], type_of(argv[3]), packet);
  uint64_t end = tl_time_now() + (uint64_t)atoi(argv[4]) * TL_MS;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || !size || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof via) < 0)
    return perror("mdns_ask"), 2;
  uint8_t asked[512];
  memcpy(asked, packet, size);
  while (tl_time_now() < end) {
    if (sendto(fd, asked, size, 0, (const struct sockaddr *)&group, sizeof group) < 0)
      return perror("send"), 1;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, REPEAT_MS) <= 0) continue;
    ssize_t n = recv(fd, packet, sizeof packet, 0);
    if (n > 0 && answers_print(packet, (size_t)n, argv[5])) return 0;
  }
  close(fd);
  return 1;
}
