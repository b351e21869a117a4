/*
 * A network in user space that treats packets badly on purpose: real sockets, real kernels' stacks, seeded misfortune.
 *
 *   chaos SEED NAMESPACE=ADDRESS...
 *
 * Makes a TUN interface `eth0` in each network namespace (the caller gives it its address and brings it up) and carries IPv4
 * packets between them by their destination. Prints `ready` when all are there. Lines on standard input change what happens
 * to packets from then on:
 *
 *   faults LOSS DUPLICATE CORRUPT DELAY_MS JITTER_MS      probabilities from 0 to 1; the delay is uniform within
 *                                                         DELAY +- JITTER, so that packets overtake each other
 *   counts                                                prints what happened so far
 *
 * What is corrupted has bits of the payload flipped or its end cut off. UDP gets no checksum then, so that the receiving
 * program has to notice; TCP keeps the wrong one, and its kernel notices. Ends at the end of standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX  8
#define FLYING_MAX 32768
#define PACKET_MAX 2048

struct host {
  int fd;
  uint32_t address;
};

struct flying {
  uint64_t at, order;
  int to;
  size_t size;
  uint8_t *bytes;
};

static struct host hosts[HOSTS_MAX];
static int host_count;
static struct flying heap[FLYING_MAX]; /* the earliest first */
static size_t flying_count;
static uint64_t random_state, sent_order;
static double loss, duplicate, corrupt;
static uint64_t delay_ns, jitter_ns;
static uint64_t seen, lost, doubled, corrupted, full, strays;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t draw(void) { /* SplitMix64 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static bool chance(double p) {
  return (double)(draw() >> 11) / 9007199254740992.0 < p;
}

static void die(const char *what) {
  fprintf(stderr, "chaos: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ---- packets on their way ---- */

static bool is_earlier(const struct flying *a, const struct flying *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(size_t a, size_t b) {
  struct flying kept = heap[a];
  heap[a] = heap[b];
  heap[b] = kept;
}

static void heap_push(struct flying f) {
  size_t i = flying_count++;
  heap[i] = f;
  for (; i && is_earlier(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2) swap(i, (i - 1) / 2);
}

static struct flying heap_pop(void) {
  struct flying first = heap[0];
  heap[0] = heap[--flying_count];
  for (size_t i = 0;;) {
    size_t best = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < flying_count; child++)
      if (is_earlier(&heap[child], &heap[best])) best = child;
    if (best == i) return first;
    swap(i, best);
    i = best;
  }
}

static void send_off(int to, const uint8_t *bytes, size_t size) {
  uint64_t extra = jitter_ns ? draw() % (2 * jitter_ns) : 0;
  uint64_t at = now_ns() + delay_ns + extra - (delay_ns < jitter_ns ? delay_ns : jitter_ns);
  if (flying_count == FLYING_MAX) {
    full++;
    return;
  }
  struct flying f = {at, sent_order++, to, size, malloc(size)};
  if (!f.bytes) die("malloc");
  memcpy(f.bytes, bytes, size);
  heap_push(f);
}

static void land_due(void) {
  uint64_t now = now_ns();
  while (flying_count && heap[0].at <= now) {
    struct flying f = heap_pop();
    ssize_t r = write(hosts[f.to].fd, f.bytes, f.size);
    (void)r; /* an interface that is down takes nothing */
    free(f.bytes);
  }
}

/* ---- what is done to a packet ---- */

static void put16(uint8_t *at, size_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void ip_checksum(uint8_t *packet, size_t head) {
  uint32_t sum = 0;
  put16(packet + 10, 0);
  for (size_t i = 0; i < head; i += 2) sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(packet + 10, ~sum & 0xffff);
}

static void spoil(uint8_t *packet, size_t *size) {
  size_t head = (size_t)(packet[0] & 15) * 4;
  bool is_udp = packet[9] == 17;
  size_t from = head + (is_udp ? 8 : 20);
  if (*size <= from + 1) return;
  corrupted++;
  for (uint64_t flips = 1 + draw() % 3; flips; flips--)
    packet[from + draw() % (*size - from)] ^= (uint8_t)(1u << draw() % 8);
  if (!is_udp) return;
  if (draw() % 4 == 0) *size = from + 1 + draw() % (*size - from - 1);
  put16(packet + 2, *size);
  put16(packet + head + 4, *size - head);
  put16(packet + head + 6, 0);
  ip_checksum(packet, head);
}

static int host_of(uint32_t address) {
  for (int i = 0; i < host_count; i++)
    if (hosts[i].address == address) return i;
  return -1;
}

static void carry(uint8_t *packet, size_t size) {
  uint32_t to;
  if (size < 20 || packet[0] >> 4 != 4) return; /* IPv6 looks for routers here: nobody answers */
  memcpy(&to, packet + 16, sizeof to);
  int host = host_of(to);
  seen++;
  if (host < 0) {
    strays++;
    return;
  }
  bool is_doubled = chance(duplicate);
  doubled += is_doubled;
  for (int i = 0; i <= is_doubled; i++) {
    uint8_t copy[PACKET_MAX];
    size_t copy_size = size;
    if (chance(loss)) {
      lost++;
      continue;
    }
    memcpy(copy, packet, size);
    if (chance(corrupt)) spoil(copy, &copy_size);
    send_off(host, copy, copy_size);
  }
}

/* ---- life ---- */

static int open_tun(const char *namespace) {
  char path[300];
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) die(path);
  close(space);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  strcpy(request.ifr_name, "eth0");
  if (ioctl(fd, TUNSETIFF, &request) < 0) die("TUNSETIFF");
  return fd;
}

static void take_command(const char *line) {
  double ms, jitter_ms;
  if (sscanf(line, "faults %lf %lf %lf %lf %lf", &loss, &duplicate, &corrupt, &ms, &jitter_ms) ==
      5) {
    delay_ns = (uint64_t)(ms * 1e6);
    jitter_ns = (uint64_t)(jitter_ms * 1e6);
  } else if (strncmp(line, "counts", 6) == 0) {
    printf("seen %llu lost %llu doubled %llu corrupted %llu full %llu strays %llu\n",
           (unsigned long long)seen, (unsigned long long)lost, (unsigned long long)doubled,
           (unsigned long long)corrupted, (unsigned long long)full, (unsigned long long)strays);
  }
  fflush(stdout);
}

static bool read_commands(void) {
  static char text[4096];
  static size_t have;
  ssize_t got = read(STDIN_FILENO, text + have, sizeof text - 1 - have);
  if (got <= 0) return got < 0 && errno == EINTR;
  have += (size_t)got;
  text[have] = 0;
  for (char *end; (end = strchr(text, '\n'));) {
    *end = 0;
    take_command(text);
    have -= (size_t)(end + 1 - text);
    memmove(text, end + 1, have + 1);
  }
  return have < sizeof text - 1;
}

static void read_packets(int host) {
  uint8_t packet[PACKET_MAX];
  ssize_t got;
  for (int i = 0; i < 64 && (got = read(hosts[host].fd, packet, sizeof packet)) > 0; i++)
    carry(packet, (size_t)got);
}

static void run(void) {
  struct pollfd polled[HOSTS_MAX + 1];
  for (;;) {
    struct timespec wait = {60, 0};
    uint64_t now = now_ns();
    if (flying_count) {
      uint64_t left = heap[0].at > now ? heap[0].at - now : 0;
      wait = (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
    }
    for (int i = 0; i < host_count; i++) polled[i] = (struct pollfd){hosts[i].fd, POLLIN, 0};
    polled[host_count] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    if (ppoll(polled, (nfds_t)host_count + 1, &wait, NULL) < 0 && errno != EINTR) die("ppoll");
    land_due();
    for (int i = 0; i < host_count; i++)
      if (polled[i].revents & POLLIN) read_packets(i);
    if (polled[host_count].revents && !read_commands()) return;
  }
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 2 + HOSTS_MAX) return 2;
  random_state = strtoull(argv[1], NULL, 10);
  for (int i = 2; i < argc; i++) {
    char *equals = strchr(argv[i], '=');
    if (!equals) return 2;
    *equals = 0;
    if (inet_pton(AF_INET, equals + 1, &hosts[host_count].address) != 1) return 2;
    hosts[host_count++].fd = open_tun(argv[i]);
  }
  printf("ready\n");
  fflush(stdout);
  run();
  return 0;
}
