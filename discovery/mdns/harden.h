/*
 * What this process gives up before it reads the first packet. Any neighbour on the network may
 * send it anything, and the parser is not ours: assume that it can be taken over, and leave
 * nothing to take.
 *
 * Gone are: other descriptors, root (the user becomes `tulle`, else `nobody`), new privileges,
 * core dumps, further processes, programs to run, other processes to look into, memory beyond 128
 * MiB, and its turn before others on the processor.
 */
#ifndef TL_DISCOVERY_MDNS_HARDEN_H
#define TL_DISCOVERY_MDNS_HARDEN_H

/* Keeps standard streams and `fd`. What the system does not allow to be given up (such as the user
 * inside a user namespace) is left as it is; only where root cannot be left although it can, the
 * result is a negative errno. */
int tl_harden(int fd);

#endif
