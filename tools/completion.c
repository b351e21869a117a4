/*
 * Completion: `tulle completion SHELL` prints a few lines for a shell, all of which ask `tulle complete -- WORDS...`
 * what the last word may become. So the shells know no names, and the table of verbs is the only source.
 *
 * Names of services and nodes come from the node, if it answers at once.
 */
#include <string.h>

#include "core/time.h"
#include "tools/ask.h"
#include "tools/command.h"
#include "tools/listing.h"
#include "tools/verbs.h"

#define PATIENCE_NS (50 * TL_MS)
#define FOUND_MAX   512

static const char script_bash[] =
    "_tulle() {\n"
    "  local IFS=$'\\n'\n"
    "  COMPREPLY=($(compgen -f -X '!@*' -- \"${COMP_WORDS[COMP_CWORD]}\";\n"
    "    tulle complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
    "  [[ ${COMPREPLY[0]} == *. ]] && compopt -o nospace\n"
    "}\n"
    "complete -o default -F _tulle tulle\n";

static const char script_zsh[] =
    "#compdef tulle\n"
    "_tulle() {\n"
    "  local -a found\n"
    "  found=(${(f)\"$(tulle complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
    "  compadd -S '' -- $found\n"
    "}\n"
    "compdef _tulle tulle\n";

static const char script_fish[] = "function __tulle_complete\n"
                                  "  set -l words (commandline -opc) (commandline -ct)\n"
                                  "  tulle complete -- $words[2..-1] 2>/dev/null\n"
                                  "end\n"
                                  "complete -c tulle -f -a '(__tulle_complete)'\n";

int tl_verb_completion(struct tl_command *c) {
  static const struct {
    const char *shell;
    const char *script;
  } scripts[] = {{"bash", script_bash}, {"zsh", script_zsh}, {"fish", script_fish}};
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    if (!strcmp(scripts[i].shell, c->operands[0])) {
      fputs(scripts[i].script, stdout);
      return 0;
    }
  return tl_command_fail(c, TULLE_E_INVALID, "there are bash, zsh and fish", NULL,
                         "no completion for '%s'", c->operands[0]);
}

/* Prints `word` if it begins with what was typed. */
static void offer(const char *typed, const char *word, const char *end) {
  if (!strncmp(word, typed, strlen(typed))) printf("%s%s\n", word, end);
}

static void offer_words(const char *typed, const char *words) {
  char word[64];
  for (const char *p = words; p && *p; p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' ')) {
    snprintf(word, sizeof word, "%.*s", (int)strcspn(p, " "), p);
    offer(typed, word, "");
  }
}

static void offer_options(const char *typed, const struct tl_option *options) {
  char name[64];
  for (; options && options->name; options++) {
    snprintf(name, sizeof name, "--%s", options->name);
    offer(typed, name, "");
  }
}

static void offer_verbs(const struct tl_command *c, const char *typed) {
  for (const struct tl_verb *v = tl_verbs; v->name; v++) {
    const char *space = strchr(v->name, ' ');
    char first[64];
    snprintf(first, sizeof first, "%.*s", space ? (int)(space - v->name) : 63, v->name);
    bool is_next = space && c->operand_count == 2 && !strcmp(c->operands[0], first);
    bool is_again = v > tl_verbs && !strncmp(v[-1].name, first, strlen(first)) &&
                    strlen(v[-1].name) >= strlen(first);
    if (v->is_hidden)
      continue;
    else if (is_next)
      offer(typed, space + 1, "");
    else if (c->operand_count == 1 && !is_again)
      offer(typed, first, "");
  }
}

/* The verb that the words before the last one name, or NULL. */
static const struct tl_verb *verb_of(const struct tl_command *c) {
  const struct tl_verb *best = NULL;
  for (const struct tl_verb *v = tl_verbs; v->name; v++) {
    char two[128] = "";
    if (c->operand_count > 2) snprintf(two, sizeof two, "%s %s", c->operands[0], c->operands[1]);
    if (!strcmp(v->name, two)) return v;
    if (c->operand_count > 1 && !strcmp(v->name, c->operands[0])) best = v;
  }
  return best;
}

/* What the node knows: services, with a dot where a procedure follows; or capabilities; or nodes. */
static void offer_names(const char *typed, bool services, bool capabilities, bool nodes) {
  struct tulle_options options = {
      .program = "tulle", .no_autostart = true, .timeout_ns = PATIENCE_NS};
  struct tulle *t = NULL;
  struct tulle_found *found = calloc(FOUND_MAX, sizeof *found);
  if (found && !tulle_attach(&options, &t)) {
    int n = tulle_find(t, NULL, found, FOUND_MAX);
    for (int i = 0; i < n && i < FOUND_MAX; i++) {
      if (services) offer(typed, found[i].service, ".");
      if (nodes) offer(typed, found[i].node, "");
      for (char *p = strtok(found[i].capabilities, " "); capabilities && p; p = strtok(NULL, " ")) {
        char *version = strrchr(p, '/');
        if (version) *version = 0;
        offer(typed, p, "");
      }
    }
  }
  tulle_detach(t);
  free(found);
}

static const struct tl_option *option_before(const struct tl_command *c,
                                             const struct tl_verb *verb) {
  const char *before = c->operand_count > 1 ? c->operands[c->operand_count - 2] : "";
  if (strncmp(before, "--", 2)) return NULL;
  for (const struct tl_option *o = verb ? verb->options : NULL; o && o->name; o++)
    if (!strcmp(o->name, before + 2) && o->kind != TL_OPTION_FLAG) return o;
  return NULL;
}

int tl_verb_complete(struct tl_command *c) {
  const char *typed = c->operand_count ? c->operands[c->operand_count - 1] : "";
  const struct tl_verb *verb = verb_of(c);
  const struct tl_option *option = option_before(c, verb);
  if (!c->operand_count) c->operands[c->operand_count++] = "";
  if (option) {
    offer_words(typed, option->choices);
    if (!strcmp(option->name, "node") || !strcmp(option->name, "to"))
      offer_names(typed, false, false, true);
  } else if (typed[0] == '-') {
    offer_options(typed, tl_common_options);
    offer_options(typed, verb ? verb->options : NULL);
  } else {
    if (!verb || c->operand_count == 2) offer_verbs(c, typed);
    if (verb) offer_words(typed, verb->words);
    if (verb && verb->completion == TL_COMPLETE_SERVICES && c->operand_count == 2)
      offer_names(typed, true, false, false);
    if (verb && verb->completion == TL_COMPLETE_CAPABILITIES)
      offer_names(typed, false, true, false);
  }
  return 0;
}
