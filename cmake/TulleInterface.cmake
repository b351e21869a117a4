# tulle_interface(TARGET FILE.tulle...): makes C of interfaces and builds it into TARGET, which can then
# include "FILE.tulle.h". The files are made again when the interface changes, or `tulle` does.
#
# TULLE_COMMAND: a `tulle` to run instead of the one that belongs to this library, for cross builds.
function(tulle_interface target)
  foreach(file ${ARGN})
    get_filename_component(path ${file} ABSOLUTE)
    get_filename_component(name ${file} NAME_WE)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/tulle)
    set(made ${folder}/${name}.tulle.h ${folder}/${name}.tulle.c)
    string(MD5 id "${folder}/${name}")
    if(TULLE_COMMAND)
      set(command ${TULLE_COMMAND})
    else()
      set(command tulle::command)
    endif()
    # Once for a folder, however many of its targets use it.
    if(NOT TARGET tulle_${name}_${id})
      file(MAKE_DIRECTORY ${folder})
      add_custom_command(OUTPUT ${made} COMMAND ${command} gen --output ${folder} ${path}
        DEPENDS ${path} ${command} COMMENT "Making C of ${name}.tulle" VERBATIM)
      add_custom_target(tulle_${name}_${id} DEPENDS ${made})
    endif()
    add_dependencies(${target} tulle_${name}_${id})
    target_sources(${target} PRIVATE ${made})
    target_include_directories(${target} PRIVATE ${folder})
  endforeach()
endfunction()
