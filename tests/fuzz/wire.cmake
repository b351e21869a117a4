tulle_fuzz(msgpack SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/msgpack.c DEPENDS tl_wire PkgConfig::MSGPACK)
tulle_fuzz(rpc SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/rpc.c DEPENDS tl_wire)
tulle_fuzz(control SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/control.c DEPENDS tl_wire)
tulle_fuzz(mesh SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/mesh.c DEPENDS tl_wire)
