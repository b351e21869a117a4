# tulle_test(NAME SOURCES files... DEPENDS targets... [LABELS l...] [TIMEOUT s] [ARGS a...])
#
# One test is one process with a time limit. Exit code 77 means "skipped, and the output says why".
function(tulle_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;DEPENDS;LABELS;ARGS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  add_executable(test_${name} ${T_SOURCES})
  target_link_libraries(test_${name} PRIVATE tulle_flags ${T_DEPENDS} cmocka)
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND test_${name} ${T_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77
    LABELS "${T_LABELS}" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

# tulle_fuzz(NAME SOURCES files... DEPENDS targets...): a fuzz target that always builds.
#
# With clang and TULLE_FUZZ it is a libFuzzer binary; otherwise a small driver runs the kept corpus of
# tests/fuzz/corpus/NAME through it, which is also the test of that name.
function(tulle_fuzz name)
  cmake_parse_arguments(F "" "" "SOURCES;DEPENDS" ${ARGN})
  if(TULLE_FUZZ)
    add_executable(fuzz_${name} ${F_SOURCES})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(fuzz_${name} ${F_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE tulle_flags ${F_DEPENDS})
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(TULLE_FUZZ)
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=0 ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  else()
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  endif()
  set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
endfunction()
