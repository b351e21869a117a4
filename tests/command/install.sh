#!/bin/sh
# What is installed is enough to build programs with, by pkg-config, by CMake and statically, also after it has been
# moved; and it defines no names but its own. Usage: install.sh BUILD_DIR SANITIZERS
. "$(dirname "$0")/lib.sh"
source=$(pwd)
flags=
[ -z "${2:-}" ] || flags="-fsanitize=$2"
cc=${CC:-cc} cxx=${CXX:-c++}
warnings='-Wall -Wextra -Wconversion -Wpedantic -Werror'

expect 0 cmake --install "$build" --prefix "$temp/first"
mv "$temp/first" "$temp/usr"
lib=$(dirname "$(find "$temp/usr" -name libtulle.so)")
export PKG_CONFIG_PATH="$lib/pkgconfig"
cd "$temp" || exit 1

# The headers, each alone, in the languages that they are for.
for header in "$temp"/usr/include/tulle/*.h; do
  echo "#include <tulle/${header##*/}>" > header.c
  expect 0 $cc -std=c11 $warnings -fsyntax-only $(pkg-config --cflags tulle) header.c
  expect 0 $cxx -std=c++17 -x c++ $warnings -fsyntax-only $(pkg-config --cflags tulle) header.c
done

# Names.
nm -D --defined-only "$lib/libtulle.so" | awk '$2 != "A" && $3 !~ /^tulle_/' > strange
[ -z "$flags" ] && [ -s strange ] && fail "libtulle.so exports $(cat strange)"
nm -g --defined-only "$lib/libtulle.a" | awk 'NF == 3 && $3 ~ /^tl_/' > strange
[ -s strange ] && fail "libtulle.a exports $(cat strange)"

# says_hello COMMAND: against a greeter of the same build.
says_hello() {
  expect 0 env "LD_LIBRARY_PATH=$lib" "$@"
  says '^Hello world$'
}

node_begin alpha --listen 127.0.0.1:0
expect 0 "$temp/usr/bin/tulle" gen "$source/examples/hello/greeter.tulle"
for program in greeter hello; do
  sources="$source/examples/hello/$program.c greeter.tulle.c -I."
  expect 0 $cc $flags $sources -o $program $(pkg-config --cflags --libs tulle)
  expect 0 $cc $flags $sources -o $program-static $(pkg-config --cflags tulle) "$lib/libtulle.a" -pthread
done
start greeter env "LD_LIBRARY_PATH=$lib" ./greeter
expect 0 tulle wait greeter
says_hello ./hello
says_hello ./hello-static

cat > CMakeLists.txt << 'END'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(tulle 0.1 REQUIRED)
add_executable(hello-shared ${SOURCE}/examples/hello/hello.c)
target_link_libraries(hello-shared PRIVATE tulle::tulle)
add_executable(hello-archive ${SOURCE}/examples/hello/hello.c)
target_link_libraries(hello-archive PRIVATE tulle::static)
foreach(target hello-shared hello-archive)
  tulle_interface(${target} ${SOURCE}/examples/hello/greeter.tulle)
endforeach()
END
expect 0 cmake -S . -B b "-DSOURCE=$source" "-DCMAKE_PREFIX_PATH=$temp/usr" "-DCMAKE_C_FLAGS=$flags"
expect 0 cmake --build b
says_hello b/hello-shared
says_hello b/hello-archive

# The installed command finds what it needs beside itself.
expect 0 env -u LD_LIBRARY_PATH "$temp/usr/bin/tulle" call greeter.greet name=you
says '^text: Hello you$'
