/* The daemon as a function: what `tulle node` does. */
#ifndef TL_NODE_MAIN_H
#define TL_NODE_MAIN_H

/* Runs a node until it is told to end. `argv[0]` is the verb. Returns the exit code of the command: 0, or 2 for wrong
 * usage, a damaged state, or another node in its place. */
int tl_node_main(int argc, char **argv);

#endif
