/* The procedures of channel 0 that are about other nodes (docs/protocol-node.md). */
#ifndef TL_NODE_MESH_SERVICE_H
#define TL_NODE_MESH_SERVICE_H

struct tl_mesh;

/* Adds them to the node's own. */
void tl_mesh_service_install(struct tl_mesh *mesh);

#endif
