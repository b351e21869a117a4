# tulle_module(NAME [ONE_PIECE] SOURCES files... DEPENDS targets...): one folder, one static library `tl_NAME`.
#
# ONE_PIECE, with TULLE_LTO: where it is linked into a program with the property TULLE_LTO, it is optimised together with
# all others that say so (decision 25). Its objects hold ordinary code as well, which everything else links.
#
# The libraries are position independent because libtulle.so is made of them; symbols are hidden
# unless a header of include/tulle says TULLE_PUBLIC.

option(TULLE_WERROR "warnings are errors" OFF)
option(TULLE_FUZZ "build the libFuzzer targets" OFF)
option(TULLE_COVERAGE "instrument for gcov" OFF)
option(TULLE_LTO "optimise what a call crosses in the node as one piece (gcc)" OFF)
set(TULLE_SANITIZE "" CACHE STRING "value of -fsanitize=")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(tulle_flags INTERFACE)
target_include_directories(tulle_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(tulle_flags INTERFACE _GNU_SOURCE)
target_compile_options(tulle_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wundef
  -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -fno-strict-aliasing -fstack-protector-strong)
if(TULLE_WERROR)
  target_compile_options(tulle_flags INTERFACE -Werror)
endif()
if(TULLE_SANITIZE)
  target_compile_options(tulle_flags INTERFACE -fsanitize=${TULLE_SANITIZE} -O1 -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(tulle_flags INTERFACE -fsanitize=${TULLE_SANITIZE})
endif()
if(TULLE_FUZZ)
  target_compile_options(tulle_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TULLE_COVERAGE)
  target_compile_options(tulle_flags INTERFACE --coverage)
  target_link_options(tulle_flags INTERFACE --coverage)
endif()

if(TULLE_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(tulle_one_piece -flto=auto -ffat-lto-objects)
  target_link_options(tulle_flags INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:TULLE_LTO>>,-flto=auto,-fno-lto>)
endif()

function(tulle_module name)
  cmake_parse_arguments(M "ONE_PIECE" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(tl_${name} STATIC ${M_SOURCES})
  if(M_ONE_PIECE)
    target_compile_options(tl_${name} PRIVATE ${tulle_one_piece})
  endif()
  target_link_libraries(tl_${name} PUBLIC tulle_flags ${M_DEPENDS})
endfunction()
