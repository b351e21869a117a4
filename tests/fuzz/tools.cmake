tulle_fuzz(json_read SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/json_read.c DEPENDS tl_tools)
tulle_fuzz(command_line
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/command_line.c ${CMAKE_SOURCE_DIR}/tests/unit/tools/entries.c
    ${CMAKE_SOURCE_DIR}/tools/verbs.c
  DEPENDS tl_tools)
