/*
 * Runs kept inputs through a fuzz target where libFuzzer is not built in.
 *
 * Each argument is a file or a folder of files. Every input goes through the target whole and cut
 * at every length up to 256 bytes, so that the kept corpus also is the truncation test of its
 * decoder.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRUNCATION_BYTES_MAX 256

static unsigned long inputs;

static void run_bytes(const uint8_t *data, size_t size) {
  /* A copy of exactly this size lets the address sanitizer see a read of one byte too many. */
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  (void)LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static int run_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return perror(path), 1;
  static uint8_t buffer[1 << 20];
  size_t size = fread(buffer, 1, sizeof buffer, f);
  fclose(f);
  run_bytes(buffer, size);
  for (size_t cut = 0; cut < size && cut < TRUNCATION_BYTES_MAX; cut++) run_bytes(buffer, cut);
  inputs++;
  return 0;
}

static int run_folder(const char *path) {
  DIR *d = opendir(path);
  if (!d) return perror(path), 1;
  int failed = 0;
  for (struct dirent *e; (e = readdir(d));) {
    char name[4096];
    if (e->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, e->d_name);
    failed |= run_file(name);
  }
  closedir(d);
  return failed;
}

int main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    struct stat s;
    if (stat(argv[i], &s)) return perror(argv[i]), 1;
    failed |= S_ISDIR(s.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
  }
  printf("%lu inputs\n", inputs);
  return failed || !inputs;
}
