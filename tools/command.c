#include "tools/command.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/text.h"
#include "tools/human.h"
#include "tools/json.h"

const struct tl_option tl_common_options[] = {
    {"json", 0, TL_OPTION_FLAG, NULL, NULL, "print JSON, also for errors (docs/json.md)"},
    {"timeout", 0, TL_OPTION_DURATION, "D", NULL,
     "give up after this long: 5s (the default), 250ms, 2m"},
    {"quiet", 'q', TL_OPTION_FLAG, NULL, NULL, "say nothing but the answer and errors"},
    {"verbose", 'v', TL_OPTION_FLAG, NULL, NULL, "say more"},
    {"no-color", 0, TL_OPTION_FLAG, NULL, NULL, "no colour; so does NO_COLOR in the environment"},
    {"help", 'h', TL_OPTION_FLAG, NULL, NULL, "print help"},
    {0},
};

/* Further than this, a word is another word and not a slip. */
#define NEAR_EDITS_MAX 3

const char *tl_command_nearest(const char *word, const char *const *words) {
  const char *best = NULL;
  size_t length = strlen(word);
  unsigned best_distance = NEAR_EDITS_MAX + 1;
  for (; *words; words++) {
    unsigned distance = tl_text_distance(word, *words);
    bool is_start = length >= 2 && !strncmp(word, *words, length);
    if (is_start) distance = 1;
    if (distance < best_distance && (is_start || distance * 2 <= length)) {
      best = *words;
      best_distance = distance;
    }
  }
  return best;
}

/* ---- reports ---- */

static void fail_json(int code, const char *what, const char *why, const char *hint) {
  struct tl_json j = tl_json_on(stderr);
  tl_json_object(&j);
  tl_json_key(&j, "error");
  tl_json_object(&j);
  tl_json_key(&j, "code");
  tl_json_int(&j, code);
  tl_json_put_text(&j, "name", tulle_error_name(code));
  tl_json_put_text(&j, "what", what);
  tl_json_put_text(&j, "why", why);
  tl_json_put_text(&j, "hint", hint);
  tl_json_put_uint(&j, "exit", (uint64_t)tulle_error_exit(code));
  tl_json_end(&j);
  tl_json_end(&j);
  tl_json_finish(&j);
}

/* Others' words may have several lines. */
static void print_reason(const char *why) {
  char line[512];
  while (why && *why) {
    size_t size = strcspn(why, "\n");
    snprintf(line, sizeof line, "%.*s", (int)size, why);
    fprintf(stderr, "  %s\n", tl_human_clean(line));
    why += size + (why[size] == '\n');
  }
}

int tl_command_fail(const struct tl_command *c, int code, const char *why, const char *hint,
                    const char *what, ...) {
  char text[1024];
  va_list args;
  va_start(args, what);
  vsnprintf(text, sizeof text, what, args);
  va_end(args);
  if (!hint) hint = tulle_error_hint(code);
  fflush(stdout);
  if (c->json) {
    fail_json(code, text, why, hint);
    return tulle_error_exit(code);
  }
  bool colour = c->colour && isatty(STDERR_FILENO);
  fprintf(stderr, "%serror:%s %s\n", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "",
          tl_human_clean(text));
  print_reason(why);
  if (hint && *hint) fprintf(stderr, "  hint: %s\n", hint);
  return tulle_error_exit(code);
}

void tl_command_say(const struct tl_command *c, const char *format, ...) {
  if (c->quiet || c->json) return;
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
}

/* ---- the table ---- */

/* The option of that name, or (size 0) of that letter. */
static const struct tl_option *find_in(const struct tl_option *options, const char *name,
                                       size_t size) {
  for (; options && options->name; options++)
    if (size ? strlen(options->name) == size && !memcmp(options->name, name, size)
             : options->letter == *name)
      return options;
  return NULL;
}

/* Among the common ones and the verb's, or (verb not known yet) those of any verb. */
static const struct tl_option *find_option(const struct tl_verb *verbs, const struct tl_verb *verb,
                                           const char *name, size_t size) {
  const struct tl_option *o = find_in(tl_common_options, name, size);
  if (!o && verb) return find_in(verb->options, name, size);
  for (; !o && verbs->name; verbs++) o = find_in(verbs->options, name, size);
  return o;
}

/* How many of the words are the verb's name: 0 if it is not this verb. */
static size_t verb_words(const struct tl_verb *v, const char *const *words, size_t count) {
  size_t first = strcspn(v->name, " ");
  if (!count || strlen(words[0]) != first || memcmp(words[0], v->name, first)) return 0;
  if (!v->name[first]) return 1;
  return count > 1 && !strcmp(words[1], v->name + first + 1) ? 2 : 0;
}

static const struct tl_verb *find_verb(const struct tl_verb *verbs, const char *const *words,
                                       size_t count, size_t *out_used) {
  const struct tl_verb *best = NULL;
  *out_used = 0;
  for (; verbs->name; verbs++) {
    size_t used = verb_words(verbs, words, count);
    if (used > *out_used) {
      best = verbs;
      *out_used = used;
    }
  }
  return best;
}

/* ---- parsing ---- */

/* One argument taken apart: an option with its value, an operand, or the end of the options. */
struct piece {
  const struct tl_option *option;
  const char *value;
  const char *operand;
  bool wants_value; /* the option's value is missing */
};

struct line {
  const struct tl_verb *verbs;
  const struct tl_verb *verb; /* NULL in the first pass */
  int argc, at;
  char **argv;
  const char *letters; /* rest of a group such as -qv */
  bool is_ended;       /* -- was seen */
};

static bool take_value(struct line *l, const char *attached, struct piece *out) {
  if (attached)
    out->value = attached;
  else if (l->at < l->argc)
    out->value = l->argv[l->at++];
  else
    out->wants_value = true;
  return !out->wants_value;
}

static int next_letter(struct line *l, struct piece *out) {
  char letter = *l->letters++;
  out->option = find_option(l->verbs, l->verb, &letter, 0);
  if (!out->option) return TULLE_E_INVALID;
  const char *rest = *l->letters ? l->letters : NULL;
  if (out->option->kind == TL_OPTION_FLAG) {
    l->letters = rest;
    return 0;
  }
  l->letters = NULL;
  take_value(l, rest, out);
  return 0;
}

/* 0, TL_END, or TULLE_E_INVALID: no such option (out->value is the argument). */
static int next_piece(struct line *l, struct piece *out) {
  *out = (struct piece){0};
  if (l->letters) return next_letter(l, out);
  if (l->at == l->argc) return TL_END;
  const char *arg = l->argv[l->at++];
  if (!l->is_ended && !strcmp(arg, "--")) {
    l->is_ended = true;
    return next_piece(l, out);
  }
  if (l->is_ended || arg[0] != '-' || !arg[1] || isdigit((unsigned char)arg[1])) {
    out->operand = arg;
    return 0;
  }
  if (arg[1] != '-') {
    l->letters = arg + 1;
    int r = next_letter(l, out);
    if (r) out->value = arg;
    return r;
  }
  const char *equals = strchr(arg, '=');
  size_t size = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
  out->option = size ? find_option(l->verbs, l->verb, arg + 2, size) : NULL;
  if (!out->option) {
    out->value = arg;
    return TULLE_E_INVALID;
  }
  if (out->option->kind != TL_OPTION_FLAG)
    take_value(l, equals ? equals + 1 : NULL, out);
  else if (equals)
    out->value = equals + 1; /* judged later: a flag has none */
  return 0;
}

static bool is_choice(const char *choices, const char *value) {
  size_t size = strlen(value);
  for (const char *at = choices; size && (at = strstr(at, value)); at += size)
    if ((at == choices || at[-1] == ' ') && (!at[size] || at[size] == ' ')) return true;
  return false;
}

static int judge_value(struct tl_command *c, const struct piece *p) {
  const struct tl_option *o = p->option;
  char why[160];
  uint64_t n;
  if (p->wants_value)
    return tl_command_fail(c, TULLE_E_INVALID, NULL, "write --NAME VALUE or --NAME=VALUE",
                           "--%s needs a value: %s", o->name, o->argument);
  if (o->kind == TL_OPTION_FLAG && p->value)
    return tl_command_fail(c, TULLE_E_INVALID, NULL, NULL, "--%s takes no value", o->name);
  if (o->kind == TL_OPTION_COUNT && tl_human_count_parse(p->value, &n))
    return tl_command_fail(c, TULLE_E_INVALID, "a number in decimal digits is wanted", NULL,
                           "--%s %s: not a number", o->name, p->value);
  if (o->kind == TL_OPTION_DURATION && tl_human_duration_parse(p->value, &n))
    return tl_command_fail(c, TULLE_E_INVALID,
                           "a number and a unit (ns us ms s m h d) are wanted, such as 250ms", NULL,
                           "--%s %s: not a duration", o->name, p->value);
  if (o->kind == TL_OPTION_CHOICE && !is_choice(o->choices, p->value)) {
    snprintf(why, sizeof why, "one of: %s", o->choices);
    return tl_command_fail(c, TULLE_E_INVALID, why, NULL, "--%s %s: no such choice", o->name,
                           p->value);
  }
  return 0;
}

static int unknown_option(struct tl_command *c, const struct tl_verb *verb, const char *arg) {
  const char *names[TL_COMMAND_OPTIONS_MAX * 2] = {0};
  size_t count = 0;
  for (const struct tl_option *o = tl_common_options; o->name; o++) names[count++] = o->name;
  for (const struct tl_option *o = verb ? verb->options : NULL; o && o->name; o++)
    names[count++] = o->name;
  char name[64], why[96] = "";
  snprintf(name, sizeof name, "%.*s", (int)strcspn(arg + 2 * (arg[1] == '-'), "="),
           arg + 2 * (arg[1] == '-'));
  const char *near = arg[1] == '-' ? tl_command_nearest(name, names) : NULL;
  if (near) snprintf(why, sizeof why, "did you mean '--%s'?", near);
  char hint[96];
  snprintf(hint, sizeof hint, "tulle %s%s--help", verb ? verb->name : "", verb ? " " : "");
  return tl_command_fail(c, TULLE_E_INVALID, why, hint, "no such option: %s", arg);
}

static int unknown_verb(struct tl_command *c, const struct tl_verb *verbs, const char *const *words,
                        size_t count) {
  const char *names[128] = {0};
  size_t name_count = 0;
  char typed[128], why[160] = "";
  for (const struct tl_verb *v = verbs; v->name && name_count < 127; v++)
    if (!v->is_hidden) names[name_count++] = v->name;
  bool is_group = false; /* "fabric" alone: the first word of a verb of two */
  size_t first = strlen(words[0]);
  for (const struct tl_verb *v = verbs; v->name; v++)
    is_group |= !v->is_hidden && !strncmp(v->name, words[0], first) && v->name[first] == ' ';
  snprintf(typed, sizeof typed, "%s%s%s", words[0], count > 1 && is_group ? " " : "",
           count > 1 && is_group ? words[1] : "");
  const char *near = tl_command_nearest(typed, names);
  for (size_t i = 0; !near && is_group && i < name_count; i++)
    if (!strncmp(names[i], words[0], first) && names[i][first] == ' ') near = names[i];
  if (near) snprintf(why, sizeof why, "did you mean 'tulle %s'?", near);
  return tl_command_fail(c, TULLE_E_INVALID, why, "tulle --help lists all there are",
                         "no such command: %s", typed);
}

/* First pass: which verb is meant, and whether JSON is wanted for complaints. */
static void scan(struct line l, struct tl_command *c, const char **words, size_t *out_count,
                 bool *out_help) {
  struct piece p;
  int r;
  *out_count = 0;
  *out_help = false;
  while ((r = next_piece(&l, &p)) != TL_END) {
    if (r) {
      l.letters = NULL;
      continue;
    }
    if (p.operand && *out_count < 2) words[(*out_count)++] = p.operand;
    if (p.option && !strcmp(p.option->name, "json")) c->json = true;
    if (p.option && !strcmp(p.option->name, "help")) *out_help = true;
  }
}

static int add_operand(struct tl_command *c, const char *operand) {
  if (c->operand_count == TL_COMMAND_OPERANDS_MAX)
    return tl_command_fail(c, TULLE_E_INVALID, NULL, NULL, "more than %d operands",
                           TL_COMMAND_OPERANDS_MAX);
  c->operands[c->operand_count++] = operand;
  return 0;
}

static int add_option(struct tl_command *c, const struct piece *p) {
  if (judge_value(c, p)) return TULLE_E_INVALID;
  if (c->given_count == TL_COMMAND_OPTIONS_MAX)
    return tl_command_fail(c, TULLE_E_INVALID, NULL, NULL, "more than %d options",
                           TL_COMMAND_OPTIONS_MAX);
  c->given[c->given_count].option = p->option;
  c->given[c->given_count++].value = p->value;
  return 0;
}

/* Second pass: everything, with the verb's own options; `used` operands are its name. */
static int take_all(struct line *l, size_t used, struct tl_command *c) {
  struct piece p;
  int r;
  while ((r = next_piece(l, &p)) != TL_END) {
    if (r) {
      unknown_option(c, l->verb, p.value ? p.value : l->argv[l->at - 1]);
      return TULLE_E_INVALID;
    }
    if (p.operand && used)
      used--;
    else if (p.operand ? add_operand(c, p.operand) : add_option(c, &p))
      return TULLE_E_INVALID;
  }
  return 0;
}

static int judge_operands(struct tl_command *c) {
  const struct tl_verb *v = c->verb;
  char why[256];
  snprintf(why, sizeof why, "usage: tulle %s%s%s", v->name, *v->operands ? " " : "", v->operands);
  if (c->operand_count < v->operands_min)
    return tl_command_fail(c, TULLE_E_INVALID, why, NULL, "tulle %s needs %s", v->name,
                           v->operands_min == 1 ? "an operand" : "more operands");
  if (c->operand_count > v->operands_max)
    return tl_command_fail(c, TULLE_E_INVALID, why, NULL, "tulle %s: one operand too many: %s",
                           v->name, c->operands[v->operands_max]);
  return 0;
}

static void take_common(struct tl_command *c) {
  const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
  c->json = tl_command_has(c, "json");
  c->quiet = tl_command_has(c, "quiet");
  c->verbose = tl_command_has(c, "verbose");
  c->colour = !tl_command_has(c, "no-color") && !(no_colour && *no_colour) &&
              !(term && !strcmp(term, "dumb"));
  c->timeout_ns = tl_command_duration(c, "timeout", TL_DEADLINE_DEFAULT_NS);
}

int tl_command_parse(int argc, char **argv, const struct tl_verb *verbs, struct tl_command *out) {
  *out = (struct tl_command){.timeout_ns = TL_DEADLINE_DEFAULT_NS};
  struct line l = {.verbs = verbs, .argc = argc, .at = 1, .argv = argv};
  const char *words[2] = {0};
  size_t count, used;
  bool wants_help;
  scan(l, out, words, &count, &wants_help);
  l.verb = find_verb(verbs, words, count, &used);
  if (wants_help && (l.verb || !count)) {
    tl_command_help(stdout, verbs, l.verb);
    return TL_END;
  }
  if (!count && argc < 2) {
    tl_command_help(stderr, verbs, NULL);
    return TULLE_E_INVALID;
  }
  if (!l.verb) {
    if (count)
      unknown_verb(out, verbs, words, count);
    else
      tl_command_fail(out, TULLE_E_INVALID, NULL, "tulle --help lists all there are",
                      "no command given");
    return TULLE_E_INVALID;
  }
  out->verb = l.verb;
  int r = take_all(&l, used, out);
  if (r) return r;
  take_common(out);
  return judge_operands(out) ? TULLE_E_INVALID : 0;
}

/* ---- what was given ---- */

const char *tl_command_next(const struct tl_command *c, const char *option, size_t *cursor) {
  while (*cursor < c->given_count) {
    size_t i = (*cursor)++;
    if (!strcmp(c->given[i].option->name, option))
      return c->given[i].value ? c->given[i].value : "";
  }
  return NULL;
}

const char *tl_command_text(const struct tl_command *c, const char *option) {
  const char *last = NULL, *value;
  size_t cursor = 0;
  while ((value = tl_command_next(c, option, &cursor))) last = value;
  return last;
}

bool tl_command_has(const struct tl_command *c, const char *option) {
  return tl_command_text(c, option) != NULL;
}

uint64_t tl_command_count(const struct tl_command *c, const char *option, uint64_t otherwise) {
  const char *value = tl_command_text(c, option);
  if (value) TL_ASSERT(!tl_human_count_parse(value, &otherwise));
  return otherwise;
}

uint64_t tl_command_duration(const struct tl_command *c, const char *option, uint64_t otherwise) {
  const char *value = tl_command_text(c, option);
  if (value) TL_ASSERT(!tl_human_duration_parse(value, &otherwise));
  return otherwise;
}

/* ---- help ---- */

#define HELP_COLUMN 26

static void help_line(FILE *out, const char *left, const char *right) {
  if (strlen(left) < HELP_COLUMN - 2)
    fprintf(out, "  %-*s%s\n", HELP_COLUMN - 2, left, right);
  else
    fprintf(out, "  %s\n%*s%s\n", left, HELP_COLUMN, "", right);
}

static void help_options(FILE *out, const struct tl_option *options) {
  for (; options && options->name; options++) {
    char left[128], letter[8] = "", right[256];
    if (options->letter) snprintf(letter, sizeof letter, "-%c, ", options->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, options->name, options->argument ? " " : "",
             options->argument ? options->argument : "");
    snprintf(right, sizeof right, "%s%s%s%s", options->help, options->choices ? " (" : "",
             options->choices ? options->choices : "", options->choices ? ")" : "");
    help_line(out, left, right);
  }
}

static void help_exits(FILE *out) {
  fputs("\nExit codes:\n"
        "   0 done                                 6 not allowed, or peer not trusted\n"
        "   1 the procedure returned an error      7 peer unreachable, link lost\n"
        "   2 wrong usage or bad input             8 version mismatch\n"
        "   3 no node runs here                    9 a limit was hit\n"
        "   4 no such service, procedure, node    10 outcome unknown: it may have run\n"
        "   5 deadline passed                     11 cancelled\n"
        "  12 deadlock                           130 interrupted\n",
        out);
}

static void help_overview(FILE *out, const struct tl_verb *verbs) {
  fputs("tulle: programs on one machine, and on all your machines, call each other.\n\n"
        "usage: tulle COMMAND [operands] [options]\n\nCommands:\n",
        out);
  for (; verbs->name; verbs++)
    if (!verbs->is_hidden) help_line(out, verbs->name, verbs->summary);
  fputs("\nOptions of every command:\n", out);
  help_options(out, tl_common_options);
  help_exits(out);
  fputs("\ntulle COMMAND --help has the details and examples.\n", out);
}

void tl_command_help(FILE *out, const struct tl_verb *verbs, const struct tl_verb *verb) {
  if (!verb) {
    help_overview(out, verbs);
    return;
  }
  fprintf(out, "tulle %s: %s\n\nusage: tulle %s%s%s [options]\n", verb->name, verb->summary,
          verb->name, *verb->operands ? " " : "", verb->operands);
  if (verb->details) fprintf(out, "\n%s\n", verb->details);
  if (verb->options) fputs("\nOptions:\n", out);
  help_options(out, verb->options);
  fputs("\nOptions of every command:\n", out);
  help_options(out, tl_common_options);
  if (verb->examples) fputs("\nExamples:\n", out);
  for (const char *const *e = verb->examples; e && *e; e++) fprintf(out, "  %s\n", *e);
  help_exits(out);
}
