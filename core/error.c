/*
 * The one table of error codes: name, text, hint and exit code stand side by side, so that none of
 * them can be forgotten when a code is added.
 */
#include "core/error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct error_entry {
  int code;
  int exit_code;
  const char *name;
  const char *text;
  const char *hint;
};

#define ENTRY(name, exit_code, text, hint)                                                         \
  { TULLE_E_##name, exit_code, #name, text, hint }

static const struct error_entry error_table[] = {
    ENTRY(NOT_FOUND, 4, "not found", NULL),
    ENTRY(IO, 2, "input/output error", NULL),
    ENTRY(NO_MEMORY, 9, "out of memory", NULL),
    ENTRY(REFUSED, 6, "refused", "only the user who runs the node may administer it"),
    ENTRY(BUSY, 9, "busy", "somebody else uses it now: try again"),
    ENTRY(EXISTS, 2, "exists already", "choose another name, or stop the one that has it"),
    ENTRY(INVALID, 2, "invalid argument", NULL),
    ENTRY(AGAIN, 9, "not ready", "wait until it is: use a deadline, or the event descriptor"),
    ENTRY(DEADLOCK, 12, "deadlock", NULL),
    ENTRY(PROTOCOL, 8, "the other side broke the protocol", NULL),
    ENTRY(BAD_MESSAGE, 2, "malformed message", NULL),
    ENTRY(TOO_BIG, 9, "message too big", "send it in parts"),
    ENTRY(VERSION, 8, "no common protocol version", "bring both sides to versions that overlap"),
    ENTRY(UNSUPPORTED, 2, "not supported", NULL),
    ENTRY(PEER_GONE, 7, "the other side is gone; the operation did not run",
          "it is safe to repeat it"),
    ENTRY(CLOSED, 7, "closed", NULL),
    ENTRY(DEADLINE, 5, "deadline passed",
          "give it more time (--timeout), or see whether the service is stalled"),
    ENTRY(UNREACHABLE, 7, "peer unreachable", "see 'tulle links' and 'tulle doctor'"),
    ENTRY(LIMIT, 9, "a limit was hit", NULL),
    ENTRY(CANCELLED, 11, "cancelled", NULL),
    ENTRY(UNTRUSTED, 6, "peer not trusted",
          "a node becomes a member with 'tulle invite' on a member and 'tulle join' on itself"),
    ENTRY(NO_NODE, 3, "no node runs here", "start one: 'tulle node'"),
    ENTRY(NO_SERVICE, 4, "nobody serves that name",
          "see what there is: 'tulle ls'; or wait for it: 'tulle wait NAME'"),
    ENTRY(NO_PROCEDURE, 4, "the service has no such procedure", NULL),
    ENTRY(NO_PEER, 4, "no such node", "see who is a member: 'tulle members'"),
    ENTRY(OUTCOME_UNKNOWN, 10, "the other side is gone; the operation may have run",
          "find out before you repeat it"),
    ENTRY(REMOTE, 1, "the procedure returned an error", NULL),
    ENTRY(FORKED, 2, "the handle belongs to the parent process", "attach anew in the child"),
    ENTRY(INTERFACE, 8, "the service has another interface",
          "see what it offers: tulle describe SERVICE"),
    /* No code of tulle's, but one that programs meet. */
    {-EMFILE, 9, NULL, "this process has too many open files",
     "raise its limit (ulimit -n), or close what it does not need"},
};

static const struct error_entry *error_find(int code) {
  for (size_t i = 0; i < sizeof error_table / sizeof *error_table; i++)
    if (error_table[i].code == code) return &error_table[i];
  return NULL;
}

const char *tulle_error_text(int code) {
  const struct error_entry *e = error_find(code);
  if (e) return e->text;
  if (code == 0) return "done";
  if (code < 0 && code > -1000) {
    const char *text = strerrordesc_np(-code);
    if (text) return text;
  }
  return "unknown error";
}

const char *tulle_error_hint(int code) {
  const struct error_entry *e = error_find(code);
  return e ? e->hint : NULL;
}

const char *tulle_error_name(int code) {
  const struct error_entry *e = error_find(code);
  return e ? e->name : NULL;
}

int tulle_error_exit(int code) {
  const struct error_entry *e = error_find(code);
  if (e) return e->exit_code;
  return code < 0 ? 2 : 0;
}
