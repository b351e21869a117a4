tulle_fuzz(json_read SOURCES json_read.c DEPENDS tl_tools)
