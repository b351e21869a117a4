/* What `tulle doctor` has found so far, and the checks of its other files. */
#ifndef TL_TOOLS_DOCTOR_H
#define TL_TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/command.h"

#define TL_DOCTOR_FINDINGS_MAX 64

enum tl_doctor_level { TL_DOCTOR_OK, TL_DOCTOR_WARN, TL_DOCTOR_FAIL };

struct tl_finding {
  enum tl_doctor_level level;
  const char *what;
  char text[256];
  char cure[256];
};

struct tl_doctor {
  struct tl_command *command;
  bool has_node; /* one answered */
  struct tl_finding findings[TL_DOCTOR_FINDINGS_MAX];
  size_t count;
  int exit_code; /* of the first failure */
};

/* Adds a line; what is beyond the maximum is dropped. `what` is a literal; `cure` may be NULL. */
void tl_doctor_find(struct tl_doctor *d, enum tl_doctor_level level, const char *what,
                    const char *cure, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The folders of the node: state and runtime. */
void tl_doctor_check_place(struct tl_doctor *d);

/* Kernel, limits, sockets, interfaces, clock; ports as well where no node has them. */
void tl_doctor_check_machine(struct tl_doctor *d);

#endif
