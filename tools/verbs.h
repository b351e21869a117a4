/*
 * The entry of each verb: what the table in verbs.c points to. One file each; those of `bench` are in tools/bench, `gen` is in tools/gen.
 */
#ifndef TL_TOOLS_VERBS_H
#define TL_TOOLS_VERBS_H

struct tl_command;

int tl_verb_node(struct tl_command *c);
int tl_verb_fabric_create(struct tl_command *c);
int tl_verb_fabric_accept(struct tl_command *c);
int tl_verb_invite(struct tl_command *c);
int tl_verb_join(struct tl_command *c);
int tl_verb_members(struct tl_command *c);
int tl_verb_members_remove(struct tl_command *c);
int tl_verb_ls(struct tl_command *c);
int tl_verb_find(struct tl_command *c);
int tl_verb_call(struct tl_command *c);
int tl_verb_describe(struct tl_command *c);
int tl_verb_wait(struct tl_command *c);
int tl_verb_links(struct tl_command *c);
int tl_verb_bench_rpc(struct tl_command *c);
int tl_verb_bench_echo(struct tl_command *c);
int tl_verb_doctor(struct tl_command *c);
int tl_verb_gen(struct tl_command *c);
int tl_verb_errors(struct tl_command *c);
int tl_verb_completion(struct tl_command *c);
int tl_verb_complete(struct tl_command *c);
int tl_verb_version(struct tl_command *c);

#endif
