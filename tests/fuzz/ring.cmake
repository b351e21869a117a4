tulle_fuzz(ring SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/ring.c DEPENDS tl_ring)
