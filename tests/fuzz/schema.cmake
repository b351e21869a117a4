tulle_fuzz(schema SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/schema.c DEPENDS tl_schema)
