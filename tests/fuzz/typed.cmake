# With the source of the interface of tests/unit/typed, to reach the functions that encode and decode.
tulle_fuzz(typed SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/typed.c DEPENDS tl_client)
target_include_directories(fuzz_typed PRIVATE ${CMAKE_BINARY_DIR}/tests/unit/typed/tulle)
add_dependencies(fuzz_typed store_interface)
