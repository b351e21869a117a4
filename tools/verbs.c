/*
 * The table of verbs. Help, parsing, completion and the man page come from here and nowhere else.
 */
#include "tools/verbs.h"

#include "tools/command.h"

#define END_OF_OPTIONS                                                                             \
  { 0 }

static const struct tl_option node_options[] = {
    {"name", 0, TL_OPTION_TEXT, "NAME", NULL, "name of this node (default: the machine's)"},
    {"listen", 0, TL_OPTION_TEXT, "ADDR:PORT", NULL,
     "where other nodes reach this one, UDP and TCP"},
    {"peer", 0, TL_OPTION_TEXT, "ADDR:PORT", NULL,
     "a node to link with; may be given several times"},
    {"no-mdns", 0, TL_OPTION_FLAG, NULL, NULL,
     "neither announce this node nor look for others by mDNS"},
    {"carrier", 0, TL_OPTION_CHOICE, "C", "auto udp tcp",
     "what links use: UDP, and TCP where UDP does not pass (auto), or one alone"},
    {"ready-fd", 0, TL_OPTION_COUNT, "FD", NULL,
     "where a newline says, as well, that programs can attach"},
    {"autostarted", 0, TL_OPTION_FLAG, NULL, NULL,
     "as programs start it: this machine only, ends a minute after the last one"},
    END_OF_OPTIONS};
static const char *const node_examples[] = {
    "tulle node                                  this machine's node, found by others over mDNS",
    "tulle node --listen 0.0.0.0:9000 --no-mdns --peer 10.0.0.7:8855",
    "TULLE_RUNTIME_DIR=/tmp/a TULLE_STATE_DIR=/tmp/a tulle node --name a     a second one for a "
    "try",
    NULL};

static const char *const fabric_accept_examples[] = {"tulle members && tulle fabric accept", NULL};
static const char *const fabric_create_examples[] = {"tulle fabric create lab", NULL};

static const struct tl_option invite_options[] = {
    {"for", 0, TL_OPTION_DURATION, "D", NULL, "how long it is good (default 15m)"},
    {"uses", 0, TL_OPTION_COUNT, "N", NULL, "print N tokens, a line each (default 1, at most 8)"},
    {"may-invite", 0, TL_OPTION_FLAG, NULL, NULL, "the newcomer may invite others as well"},
    END_OF_OPTIONS};
static const char *const invite_examples[] = {"tulle invite                                print a "
                                              "token, to be given to 'tulle join' elsewhere",
                                              "tulle invite | ssh heron tulle join",
                                              "tulle invite --for 1h --uses 3 > tokens.txt   one "
                                              "line for each of three nodes",
                                              NULL};

static const struct tl_option fabric_create_options[] = {
    {"leave", 0, TL_OPTION_FLAG, NULL, NULL,
     "leave the fabric that this node is in, if it has other members"},
    END_OF_OPTIONS};
static const struct tl_option join_options[] = {
    {"at", 0, TL_OPTION_TEXT, "ADDR:PORT", NULL,
     "reach the inviter here, not where its token says; may be repeated"},
    {"leave", 0, TL_OPTION_FLAG, NULL, NULL,
     "leave the fabric that this node is in, if it has other members"},
    END_OF_OPTIONS};
static const char *const join_examples[] = {
    "tulle join                                  paste the token, then Enter",
    "tulle join --at 10.0.0.7:8855 < token.txt", NULL};

static const char *const members_examples[] = {"tulle members", "tulle members --json", NULL};
static const char *const members_remove_examples[] = {"tulle members remove heron", NULL};

static const char *const ls_examples[] = {
    "tulle ls                                    every service of the fabric", "tulle ls nodes",
    "tulle ls --json", NULL};
static const char *const find_examples[] = {
    "tulle find text/count                       who can count text, nearest first",
    "tulle find gpu 'mem>=8G' arch=arm64 'version>=2'", NULL};

static const struct tl_option call_options[] = {
    {"node", 0, TL_OPTION_TEXT, "NAME", NULL, "only the service on this node (as @NAME)"},
    {"repeat", 0, TL_OPTION_COUNT, "N", NULL, "call N times, one after another"},
    END_OF_OPTIONS};
static const char *const call_examples[] = {
    "tulle call greeter.greet name=world", "tulle call greeter.greet@heron '{\"name\": \"world\"}'",
    "tulle call --json textstat.count @README.md     the file's bytes",
    "echo '{\"name\": \"you\"}' | tulle call greeter.greet -", NULL};

static const struct tl_option describe_options[] = {
    {"node", 0, TL_OPTION_TEXT, "NAME", NULL, "the service on this node"},
    {"canonical", 0, TL_OPTION_FLAG, NULL, NULL,
     "without documentation: what its fingerprint is of"},
    END_OF_OPTIONS};
static const char *const describe_examples[] = {
    "tulle describe textstat", "tulle describe textstat --node heron",
    "tulle describe textstat > textstat.tulle && tulle gen textstat.tulle --output .", NULL};

static const char *const wait_examples[] = {
    "tulle wait textstat --timeout 30s && tulle call textstat.count @FILE", NULL};
static const char *const links_examples[] = {"tulle links", "tulle links --json", NULL};

static const struct tl_option bench_rpc_options[] = {
    {"to", 0, TL_OPTION_TEXT, "NODE", NULL, "also measure calls to this node"},
    {"carrier", 0, TL_OPTION_CHOICE, "C", "auto udp tcp",
     "over this carrier only (default: both udp and tcp)"},
    {"placement", 0, TL_OPTION_CHOICE, "P", "split same free",
     "only cases with the processes on different cores, on one, or where the scheduler likes"},
    {"duration", 0, TL_OPTION_DURATION, "D", NULL, "measure each case this long (default 500ms)"},
    {"case", 0, TL_OPTION_TEXT, "TEXT", NULL, "only cases whose name contains TEXT"},
    {"stages", 0, TL_OPTION_FLAG, NULL, NULL, "also show where the time of a call goes"},
    END_OF_OPTIONS};
static const char *const bench_rpc_examples[] = {
    "tulle bench rpc                             calls on this machine, and what the machine "
    "allows",
    "tulle bench rpc --to heron                  and to another one",
    "tulle bench rpc --stages --case sleep", NULL};

static const struct tl_option bench_echo_options[] = {
    {"service", 0, TL_OPTION_TEXT, "NAME", NULL, "name to serve under (default tulle.bench)"},
    {"local", 0, TL_OPTION_FLAG, NULL, NULL, "without the far half of the limits between machines"},
    END_OF_OPTIONS};

static const char *const doctor_examples[] = {"tulle doctor", NULL};
static const struct tl_option gen_options[] = {
    {"output", 'o', TL_OPTION_TEXT, "DIR", NULL, "where the files go (default: this folder)"},
    {"check", 0, TL_OPTION_FLAG, NULL, NULL, "only say what is wrong with it"},
    {"canonical", 0, TL_OPTION_FLAG, NULL, NULL, "print its canonical form"},
    {"documented", 0, TL_OPTION_FLAG, NULL, NULL, "print its canonical form with documentation"},
    {"fingerprint", 0, TL_OPTION_FLAG, NULL, NULL, "print the hash of its canonical form"},
    {"against", 0, TL_OPTION_TEXT, "OLD", NULL,
     "list what changed since the file OLD; exit code 8 if a change breaks programs and the "
     "version "
     "was not raised"},
    END_OF_OPTIONS};
static const char *const gen_examples[] = {
    "tulle gen textstat.tulle                    textstat.tulle.h and textstat.tulle.c",
    "tulle gen --check textstat.tulle",
    "tulle gen --against released/textstat.tulle textstat.tulle",
    "git show v1.0:textstat.tulle | tulle gen --against - textstat.tulle", NULL};
static const char *const errors_examples[] = {"tulle errors", "tulle errors NO_SERVICE",
                                              "tulle errors -1002", NULL};
static const char *const completion_examples[] = {
    "eval \"$(tulle completion bash)\"",
    "tulle completion fish > ~/.config/fish/completions/tulle.fish", NULL};

const struct tl_verb tl_verbs[] = {
    {.name = "node",
     .operands = "",
     .summary = "run the node of this machine",
     .details = "Runs in the foreground. A line that begins with \"ready\" on standard error says "
                "that programs can\n"
                "attach. Its socket is in $TULLE_RUNTIME_DIR, its keys and trust are in "
                "$TULLE_STATE_DIR; on the first\n"
                "start it makes a fabric of which it is the only member.",
     .options = node_options,
     .examples = node_examples,
     .run = tl_verb_node},
    {.name = "fabric create",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "make a fabric with this node as its first member",
     .options = fabric_create_options,
     .examples = fabric_create_examples,
     .run = tl_verb_fabric_create},
    {.name = "fabric accept",
     .operands = "",
     .summary = "go on after the trust file was damaged",
     .details =
         "A node whose trust file is damaged uses the one before, and lets nobody in or out: what "
         "it has may be older\n"
         "than what it once knew. Look at 'tulle members', remove who was removed, and accept.",
     .examples = fabric_accept_examples,
     .run = tl_verb_fabric_accept},
    {.name = "invite",
     .operands = "",
     .summary = "print a token with which another node may join",
     .details = "The token is a secret, good for one node: hand it over by a way that you trust. "
                "It is printed alone "
                "on standard output.",
     .options = invite_options,
     .examples = invite_examples,
     .run = tl_verb_invite},
    {.name = "join",
     .operands = "",
     .operands_max = 1,
     .summary = "join a fabric; the token is read from standard input",
     .details = "Returns when the membership is stored and the first link is up. The token is "
                "never taken from the\n"
                "command line, where every user of the machine could read it. Waits 15 s unless "
                "--timeout says otherwise.",
     .options = join_options,
     .examples = join_examples,
     .run = tl_verb_join},
    {.name = "members",
     .operands = "",
     .summary = "list the members of this fabric",
     .examples = members_examples,
     .run = tl_verb_members},
    {.name = "members remove",
     .operands = "NODE",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "revoke a member",
     .examples = members_remove_examples,
     .run = tl_verb_members_remove},
    {.name = "ls",
     .operands = "[services|nodes]",
     .operands_max = 1,
     .summary = "list services, or nodes",
     .details = "From the node's live table: what is listed is there now.",
     .examples = ls_examples,
     .completion = TL_COMPLETE_WORDS,
     .words = "services nodes",
     .run = tl_verb_ls},
    {.name = "find",
     .operands = "CAPABILITY [ATTRIBUTE<OP>VALUE]...",
     .operands_min = 1,
     .operands_max = 16,
     .summary = "who offers a capability, nearest first",
     .details =
         "Further operands narrow it down by attributes, or by `version`: = != >= <= > <. Numbers "
         "compare as\n"
         "numbers (k M G T: powers of 1,000; Ki Mi Gi Ti: of 1,024), everything else as text.",
     .examples = find_examples,
     .completion = TL_COMPLETE_CAPABILITIES,
     .run = tl_verb_find},
    {.name = "call",
     .operands = "SERVICE.PROCEDURE[@NODE] [ARGUMENTS]",
     .operands_min = 1,
     .operands_max = TL_COMMAND_OPERANDS_MAX,
     .summary = "call a procedure and print its result",
     .details =
         "ARGUMENTS are one of\n"
         "  KEY=VALUE...   a map; a VALUE that is JSON is taken as such, everything else as text\n"
         "  JSON           one value of any kind\n"
         "  @FILE          the bytes of a file; @- those of standard input; at most 64 MiB\n"
         "  -              JSON from standard input\n"
         "A service with an interface takes them by the names of its parameters, or the value of "
         "the "
         "only one; they are\n"
         "checked before anything is sent, and results are printed by their names.",
     .options = call_options,
     .examples = call_examples,
     .completion = TL_COMPLETE_SERVICES,
     .run = tl_verb_call},
    {.name = "describe",
     .operands = "SERVICE",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "print the interface of a running service",
     .details = "With its documentation, as a file that `tulle gen` reads.",
     .options = describe_options,
     .examples = describe_examples,
     .completion = TL_COMPLETE_SERVICES,
     .run = tl_verb_describe},
    {.name = "wait",
     .operands = "SERVICE",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "return when somebody serves a name",
     .examples = wait_examples,
     .run = tl_verb_wait},
    {.name = "links",
     .operands = "",
     .summary = "list the links to other nodes",
     .examples = links_examples,
     .run = tl_verb_links},
    {.name = "bench rpc",
     .operands = "",
     .summary = "measure calls, with the machine's own limits beside them",
     .details = "Starts the echo service that it needs by itself, on both sides. Each case and its "
                "limit take turns, so\n"
                "that their ratio holds even where absolute figures wander. docs/performance.md "
                "explains all of it.",
     .options = bench_rpc_options,
     .examples = bench_rpc_examples,
     .run = tl_verb_bench_rpc},
    {.name = "bench echo",
     .operands = "",
     .summary = "the service that `bench` measures",
     .options = bench_echo_options,
     .is_hidden = true,
     .run = tl_verb_bench_echo},
    {.name = "doctor",
     .operands = "",
     .summary = "look for everything that can be wrong, and say the cure",
     .examples = doctor_examples,
     .run = tl_verb_doctor},
    {.name = "gen",
     .operands = "FILE.tulle",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "make C of an interface, check it, or compare it with an older one",
     .details = "Prints nothing and exits with 0 if all is well. Files that would not change are "
                "left alone. FILE\n"
                "may be - for standard input.",
     .options = gen_options,
     .examples = gen_examples,
     .run = tl_verb_gen},
    {.name = "errors",
     .operands = "[CODE]",
     .operands_max = 1,
     .summary = "explain error codes",
     .examples = errors_examples,
     .run = tl_verb_errors},
    {.name = "completion",
     .operands = "bash|zsh|fish",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "print completion for a shell",
     .completion = TL_COMPLETE_WORDS,
     .words = "bash zsh fish",
     .examples = completion_examples,
     .run = tl_verb_completion},
    {.name = "complete",
     .operands = "[WORD]...",
     .operands_max = TL_COMMAND_OPERANDS_MAX,
     .summary = "what the last word of a command line may become",
     .is_hidden = true,
     .run = tl_verb_complete},
    {.name = "version", .operands = "", .summary = "print versions", .run = tl_verb_version},
    {0},
};
