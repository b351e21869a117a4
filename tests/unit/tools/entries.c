/* The verbs' entries, for tests of the table alone: none of them may run. */
#include "tools/verbs.h"

#include "core/error.h"

#define ENTRY(name)                                                                                \
  int name(struct tl_command *c) {                                                                 \
    (void)c;                                                                                       \
    TL_ASSERT(!"a verb was run");                                                                  \
    return 0;                                                                                      \
  }

ENTRY(tl_verb_node)
ENTRY(tl_verb_fabric_create)
ENTRY(tl_verb_fabric_accept)
ENTRY(tl_verb_invite)
ENTRY(tl_verb_join)
ENTRY(tl_verb_members)
ENTRY(tl_verb_members_remove)
ENTRY(tl_verb_ls)
ENTRY(tl_verb_find)
ENTRY(tl_verb_call)
ENTRY(tl_verb_describe)
ENTRY(tl_verb_wait)
ENTRY(tl_verb_links)
ENTRY(tl_verb_bench_rpc)
ENTRY(tl_verb_bench_echo)
ENTRY(tl_verb_doctor)
ENTRY(tl_verb_gen)
ENTRY(tl_verb_errors)
ENTRY(tl_verb_completion)
ENTRY(tl_verb_complete)
ENTRY(tl_verb_version)
