tulle_fuzz(node_service SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/node_service.c DEPENDS tl_node_state)
tulle_fuzz(node_control SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/node_control.c DEPENDS tl_node_host)
