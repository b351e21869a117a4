/*
 * Error codes of tulle.
 *
 * Public functions return 0, a count, or one of these negative codes. A code that means the same as
 * an errno has its number, so `-errno` of a system call is a valid code as well. Each code has a
 * text and, where there is something to do about it, a hint. The same codes are used locally and
 * across machines.
 */
#ifndef TULLE_ERROR_H
#define TULLE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define TULLE_PUBLIC __attribute__((visibility("default")))

enum tulle_error {
  TULLE_E_NOT_FOUND = -2,       /* ENOENT: no such object */
  TULLE_E_IO = -5,              /* EIO */
  TULLE_E_NO_MEMORY = -12,      /* ENOMEM */
  TULLE_E_REFUSED = -13,        /* EACCES: the node or the peer does not allow it */
  TULLE_E_BUSY = -16,           /* EBUSY: somebody else is using it now */
  TULLE_E_EXISTS = -17,         /* EEXIST: the name is taken */
  TULLE_E_INVALID = -22,        /* EINVAL: an argument makes no sense */
  TULLE_E_AGAIN = -11,          /* EAGAIN: a non-blocking operation found nothing, or no room */
  TULLE_E_DEADLOCK = -35,       /* EDEADLK */
  TULLE_E_PROTOCOL = -71,       /* EPROTO: the other side broke the protocol */
  TULLE_E_BAD_MESSAGE = -74,    /* EBADMSG: malformed bytes */
  TULLE_E_TOO_BIG = -90,        /* EMSGSIZE */
  TULLE_E_VERSION = -93,        /* EPROTONOSUPPORT: no common version */
  TULLE_E_UNSUPPORTED = -95,    /* EOPNOTSUPP */
  TULLE_E_PEER_GONE = -104,     /* ECONNRESET: the other side died, and the operation did not run */
  TULLE_E_CLOSED = -108,        /* ESHUTDOWN: this handle has been closed */
  TULLE_E_DEADLINE = -110,      /* ETIMEDOUT */
  TULLE_E_UNREACHABLE = -113,   /* EHOSTUNREACH: no link to that node */
  TULLE_E_LIMIT = -122,         /* EDQUOT: a quota was hit */
  TULLE_E_CANCELLED = -125,     /* ECANCELED */
  TULLE_E_UNTRUSTED = -129,     /* EKEYREJECTED: the peer is not a member, or has been revoked */
  TULLE_E_NO_NODE = -1001,      /* no node runs here */
  TULLE_E_NO_SERVICE = -1002,   /* nobody serves that name */
  TULLE_E_NO_PROCEDURE = -1003, /* the service has no such procedure */
  TULLE_E_NO_PEER = -1004,      /* no such node in this fabric */
  TULLE_E_OUTCOME_UNKNOWN = -1005, /* the operation may have run, once; it was not repeated */
  TULLE_E_REMOTE = -1006,          /* the procedure ran and returned an error of its own */
  TULLE_E_FORKED = -1007,          /* the handle belongs to the parent process */
  TULLE_E_INTERFACE = -1008,       /* the service has another interface, and not a compatible one */
};

/* A text for `code`, never NULL, static. Codes unknown to tulle get the text of their errno. Any
 * thread. */
TULLE_PUBLIC const char *tulle_error_text(int code);

/* What to do about `code`, or NULL where there is nothing general to say. Static. Any thread. */
TULLE_PUBLIC const char *tulle_error_hint(int code);

/* The symbolic name of `code` without its prefix ("NO_SERVICE"), or NULL. Static. Any thread. */
TULLE_PUBLIC const char *tulle_error_name(int code);

/* What is known beyond its code about the last failure of tulle_channel_open() or of a generated
 * function on this thread, in a sentence: "store.put: argument 'xs' is NULL". "" if nothing is. Valid
 * until the thread calls the next of them. */
TULLE_PUBLIC const char *tulle_error_detail(void);

/* The exit code that a command uses for `code` (0 to 12, see docs/json.md). Any thread. */
TULLE_PUBLIC int tulle_error_exit(int code);

#ifdef __cplusplus
}
#endif
#endif
