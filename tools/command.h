/*
 * The command line: one table of verbs gives parsing, --help, completion and "did you mean".
 *
 *   tulle VERB [SUBVERB] [operands] [options]
 *
 * Options may stand anywhere, `--` ends them; a dash before a digit is a number, not an option. An option of one name means the same, and takes the same
 * kind of value, in every verb that has it; so a line can be taken apart before its verb is known.
 * Values are judged while parsing: a verb that runs may trust what the getters below return.
 */
#ifndef TL_TOOLS_COMMAND_H
#define TL_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

#define TL_COMMAND_OPERANDS_MAX 256
#define TL_COMMAND_OPTIONS_MAX  64

/* Exit codes that belong to no error code (COMMAND table in docs/json.md has all). */
#define TL_EXIT_USAGE       2
#define TL_EXIT_INTERRUPTED 130

enum tl_option_kind {
  TL_OPTION_FLAG,
  TL_OPTION_TEXT,
  TL_OPTION_COUNT,
  TL_OPTION_DURATION,
  TL_OPTION_CHOICE, /* one of `choices`, which are separated by spaces */
};

struct tl_option {
  const char *name; /* without the dashes */
  char letter;      /* 0: none */
  enum tl_option_kind kind;
  const char *argument; /* its name in the help; NULL for flags */
  const char *choices;  /* of TL_OPTION_CHOICE */
  const char *help;
};

struct tl_command;

/* What the shell completes operands with. */
enum tl_completion {
  TL_COMPLETE_NOTHING,
  TL_COMPLETE_WORDS,
  TL_COMPLETE_SERVICES,
  TL_COMPLETE_CAPABILITIES,
};

struct tl_verb {
  const char *name;     /* one word, or two: "fabric create" */
  const char *operands; /* for the usage line: "NAME" */
  size_t operands_min;
  size_t operands_max;
  const char *summary;
  const char *details;             /* paragraphs below the usage line, or NULL */
  const struct tl_option *options; /* ended by an empty one, or NULL */
  const char *const *examples;     /* lines, ended by NULL */
  enum tl_completion completion;
  const char *words; /* operands that are known: separated by spaces, or NULL */
  bool is_hidden;    /* for tulle itself, not for people */
  int (*run)(struct tl_command *command); /* returns the exit code */
};

struct tl_command {
  const struct tl_verb *verb;
  const char *operands[TL_COMMAND_OPERANDS_MAX];
  size_t operand_count;
  struct {
    const struct tl_option *option;
    const char *value;
  } given[TL_COMMAND_OPTIONS_MAX];
  size_t given_count;

  /* The options that all verbs have. */
  bool json;
  bool quiet;
  bool verbose;
  bool colour; /* of standard output and standard error, when that is a terminal */
  uint64_t timeout_ns;
};

/* The table, ended by an empty entry, and the options that every verb has. */
extern const struct tl_verb tl_verbs[];
extern const struct tl_option tl_common_options[];

/*
 * Takes a command line apart. 0: out->verb is to be run; TL_END: help was asked for and has been
 * printed on standard output. Otherwise the complaint has been printed and TULLE_E_INVALID returned.
 */
int tl_command_parse(int argc, char **argv, const struct tl_verb *verbs, struct tl_command *out);

/* The overview, or the help of one verb. */
void tl_command_help(FILE *out, const struct tl_verb *verbs, const struct tl_verb *verb);

/* Whether an option was given; its last value, or NULL; all values, one after another from *cursor 0. */
bool tl_command_has(const struct tl_command *c, const char *option);
const char *tl_command_text(const struct tl_command *c, const char *option);
const char *tl_command_next(const struct tl_command *c, const char *option, size_t *cursor);

/* Its value as a number or a duration in ns, `otherwise` if it was not given. */
uint64_t tl_command_count(const struct tl_command *c, const char *option, uint64_t otherwise);
uint64_t tl_command_duration(const struct tl_command *c, const char *option, uint64_t otherwise);

/*
 * Reports an error in its three parts on standard error (with --json as one object there): what
 * happened (a printf format), why (or NULL), what to do (NULL: what tulle_error_hint() says; "": the
 * reason has said it). Returns the exit code of `code`.
 */
int tl_command_fail(const struct tl_command *c, int code, const char *why, const char *hint,
                    const char *what, ...) __attribute__((format(printf, 5, 6)));

/* A line on standard error for people, unless --quiet or --json. */
void tl_command_say(const struct tl_command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The word of `words` (ended by NULL) nearest to `word`, or NULL when none is near. */
const char *tl_command_nearest(const char *word, const char *const *words);

#endif
