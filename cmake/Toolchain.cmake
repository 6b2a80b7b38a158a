set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

# Our code links this; generated code does not.
add_library(rootwright_warnings INTERFACE)
target_compile_options(rootwright_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                     -Woverloaded-virtual -Wimplicit-fallthrough
                                                     -Wno-missing-field-initializers -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(rootwright_warnings INTERFACE -Wthread-safety)
endif()

if(ROOTWRIGHT_SANITIZE)
  add_compile_options(-fsanitize=${ROOTWRIGHT_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${ROOTWRIGHT_SANITIZE})
  if(ROOTWRIGHT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# libFuzzer finds its way by what the code under test runs through, so all of it is marked.
if(ROOTWRIGHT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
