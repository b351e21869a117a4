/*
 * The `tulle` command: takes the command line apart, runs the verb, and ends with its exit code.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"

/* What was printed so far stays printed; nothing that a verb holds outlives the process. Verbs that have something to
 * put back when they are interrupted install a handler of their own. */
static void interrupted(int signal_number) {
  (void)signal_number;
  _exit(TL_EXIT_INTERRUPTED);
}

int main(int argc, char **argv) {
  struct tl_command command;
  signal(SIGINT, interrupted);
  static char help[] = "--help", version[] = "version";
  if (argc == 2 && !strcmp(argv[1], "--version")) argv[1] = version;
  if (argc >= 2 && !strcmp(argv[1], "help")) argv[1] = help;
  int r = tl_command_parse(argc, argv, tl_verbs, &command);
  if (r) return r == TL_END ? 0 : TL_EXIT_USAGE;
  r = command.verb->run(&command);
  if (fflush(stdout) || ferror(stdout)) /* a verb may have flushed, and lost, what it printed */
    return tl_command_fail(&command, TULLE_E_IO, NULL, NULL, "cannot write to standard output");
  return r;
}
