/*
 * `tulle node`: hands the options over to the daemon. Everything it says and decides is its own.
 */
#include "node/main.h"

#include "tools/command.h"
#include "tools/verbs.h"

int tl_verb_node(struct tl_command *c) {
  char *argv[2 + 2 * TL_COMMAND_OPTIONS_MAX] = {"node"};
  char names[TL_COMMAND_OPTIONS_MAX][32];
  int argc = 1;
  for (size_t i = 0; i < c->given_count; i++) {
    bool is_common = false;
    for (const struct tl_option *o = tl_common_options; o->name; o++)
      is_common |= c->given[i].option == o;
    if (is_common) continue;
    snprintf(names[i], sizeof names[i], "--%s", c->given[i].option->name);
    argv[argc++] = names[i];
    if (c->given[i].value) argv[argc++] = (char *)c->given[i].value;
  }
  return tl_node_main(argc, argv);
}
