tulle_fuzz(frame SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/frame.c DEPENDS tl_wire)
tulle_fuzz(flow SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/flow.c DEPENDS tl_link)
tulle_fuzz(endpoint SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/endpoint.c DEPENDS tl_link tl_test_support)
