tulle_fuzz(discovery_line SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/discovery_line.c DEPENDS tl_discovery)
tulle_fuzz(discovery_advert SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/discovery_advert.c DEPENDS tl_discovery)
