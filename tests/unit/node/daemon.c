/* The node as a program of its own, for tests that start, stop and kill it. */
#include "node/main.h"

int main(int argc, char **argv) {
  return tl_node_main(argc, argv);
}
