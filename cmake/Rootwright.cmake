# rootwright_library(NAME SOURCES a.cc … [PUBLIC lib …] [PRIVATE lib …])
# One library for each folder; its edges are what the folder may include.
function(rootwright_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE rootwright_warnings ${ARG_PRIVATE})
endfunction()

# All that people run, and what else runs with it.
add_custom_target(programs ALL)
# The programs, and the test programs that are no unit tests.
add_custom_target(machine_tests)
add_dependencies(machine_tests programs)

# rootwright_program(NAME SOURCES a.cc … LINK lib …)
function(rootwright_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE rootwright_warnings ${ARG_LINK})
  add_dependencies(programs ${name})
endfunction()

add_custom_target(tsan_tests)

# rootwright_test(NAME SOURCES a_test.cc … LINK lib … [LABELS unit] [TIMEOUT seconds])
# One GoogleTest program, one ctest entry for the whole of it. Labels default to `unit`; `tsan` besides it means
# that the program links no gRPC and is run under the thread sanitizer too.
function(rootwright_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE rootwright_warnings ${ARG_LINK} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if("tsan" IN_LIST ARG_LABELS)
    add_dependencies(tsan_tests ${name})
  endif()
  if(NOT "unit" IN_LIST ARG_LABELS)
    add_dependencies(machine_tests ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
                       ENVIRONMENT "ROOTWRIGHT_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};ROOTWRIGHT_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()

add_custom_target(fuzz_tests)

# rootwright_fuzz(NAME SOURCE file LINK lib …)
# With ROOTWRIGHT_FUZZ a libFuzzer target, labelled `fuzz`: ROOTWRIGHT_FUZZ_SECONDS over the kept corpus and over what
# earlier runs of this build folder found. Otherwise a program, labelled `unit`, that runs the kept corpus and a
# fixed number of made-up inputs once, so that the suite always executes it.
function(rootwright_fuzz name)
  cmake_parse_arguments(ARG "" "SOURCE" "LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE rootwright_warnings ${ARG_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(ROOTWRIGHT_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_tests ${name})
    set(found ${CMAKE_BINARY_DIR}/corpus/${name})
    set(kept ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${name} COMMAND ${name} -max_total_time=${ROOTWRIGHT_FUZZ_SECONDS} -timeout=10 -verbosity=0
                                          -print_final_stats=1 -artifact_prefix=${found}.crash- ${found} ${kept})
    math(EXPR patience "${ROOTWRIGHT_FUZZ_SECONDS} + 120")
    set_tests_properties(${name} PROPERTIES LABELS "fuzz" TIMEOUT ${patience})
  else()
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "unit" TIMEOUT 120)
  endif()
endfunction()
