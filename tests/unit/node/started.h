/* Nodes as processes in a place of their own, for tests that start, stop and kill them. */
#ifndef TESTS_UNIT_NODE_STARTED_H
#define TESTS_UNIT_NODE_STARTED_H

#include <stdbool.h>
#include <sys/types.h>

struct place {
  char folder[64];
  char runtime[96];
  char state[96];
  char socket[128];
};

struct process {
  pid_t pid;
  int text;       /* its standard error */
  char line[512]; /* read last */
};

/* The program that is a node. */
extern const char *started_daemon;

/* As cmocka wants them: *state is a struct place, fresh; nothing is left of it afterwards. */
int started_setup(void **state);
int started_teardown(void **state);
/* Removes a folder with the files in it. */
void started_remove(const char *path);

/* `args` NULL: named osprey, reachable on a free port of this machine only. */
void started_start(const struct place *p, struct process *out, const char *const *args);
/* The same, until it is ready. */
void started_ready(const struct place *p, struct process *out);
void started_wait_ready(struct process *x);
/* The next line of its standard error; false at the end. */
bool started_read_line(struct process *x);
/* Its exit code, or 128 and the signal that ended it. */
int started_wait_end(struct process *x);
/* Ends it in order. */
void started_end(struct process *x);

#endif
