tulle_fuzz(schema SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/schema.c DEPENDS tl_schema)
tulle_fuzz(schema_compare SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/schema_compare.c DEPENDS tl_schema)
tulle_fuzz(schema_value SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/schema_value.c DEPENDS tl_schema)
