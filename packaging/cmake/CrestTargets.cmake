# SPDX-License-Identifier: Apache-2.0
# Own targets: warnings, sanitizers, and one-line helpers for modules, tests and fuzz targets.

add_library(crest_options INTERFACE)
target_compile_options(crest_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  # Numbers must not depend on whether the compiler fuses a multiply and an add.
  -ffp-contract=off)
if(CREST_WERROR)
  target_compile_options(crest_options INTERFACE -Werror)
endif()
if(CREST_SANITIZE)
  target_compile_options(crest_options INTERFACE -fsanitize=${CREST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize=vptr)
  target_link_options(crest_options INTERFACE -fsanitize=${CREST_SANITIZE})
endif()
target_include_directories(crest_options INTERFACE "${CMAKE_SOURCE_DIR}")

# Two hundred programs are linked, most of them tests: the usual linker takes a second for each, these a fifth of that.
foreach(linker IN ITEMS mold lld gold)
  find_program(CREST_LINKER_${linker} ld.${linker})
  if(CREST_LINKER_${linker} AND NOT CREST_SANITIZE)
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

# From nothing, most of the time of compiling goes into headers. Two things lower it, and both are only a matter of time: every file includes what
# it uses, and the presets dev and asan build without them.
# - CMAKE_UNITY_BUILD: sources of a library or program are compiled a dozen at a time. Names in anonymous namespaces are therefore unique within
#   a target, not only within a file.
# - Headers that nearly all of the rest needs are compiled once per kind of target.
set(CREST_COMMON_HEADERS <algorithm> <charconv> <chrono> <cmath> <filesystem> <functional> <map> <memory> <mutex> <optional> <set> <span> <string>
  <string_view> <thread> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)

# crest_precompile(TARGET OWNER headers...): TARGET takes the headers that OWNER compiled; OWNER itself compiles them.
function(crest_precompile target owner)
  if(target STREQUAL owner)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
endfunction()

# crest_precompile_unless_unity(TARGET headers...): for a target whose few unity sources would take longer to share headers than to read them.
function(crest_precompile_unless_unity target)
  if(NOT CMAKE_UNITY_BUILD)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# crest_compile_quickly(TARGET): for code whose own time does not matter; what it calls is compiled elsewhere.
function(crest_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# crest_module(NAME [FAST] [SOURCES ...] [DEPENDS ...] [PRIVATE_DEPENDS ...]): the static library crest_<NAME> of core/<NAME>.
function(crest_module name)
  cmake_parse_arguments(M "FAST" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(crest_${name} STATIC ${M_SOURCES})
  if(M_FAST)
    target_compile_options(crest_${name} PRIVATE $<$<CONFIG:Release>:-O3>)
  endif()
  target_link_libraries(crest_${name} PUBLIC crest_options ${M_DEPENDS} PRIVATE ${M_PRIVATE_DEPENDS})
  if("crest_torch" IN_LIST M_DEPENDS OR "crest_torch" IN_LIST M_PRIVATE_DEPENDS OR "crest_model" IN_LIST M_DEPENDS OR "crest_eval" IN_LIST M_DEPENDS)
    crest_precompile(crest_${name} crest_model <ATen/ATen.h> ${CREST_COMMON_HEADERS})
  else()
    crest_precompile(crest_${name} crest_base ${CREST_COMMON_HEADERS})
  endif()
endfunction()

# crest_test(NAME [SOURCES ...] [LIBS ...] [LABELS ...] [TIMEOUT s]): one QtTest executable tst_<NAME>, run by ctest.
function(crest_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT T_SOURCES)
    set(T_SOURCES tst_${name}.cpp)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(CREST_TEST_TIMEOUT)
    set(T_TIMEOUT ${CREST_TEST_TIMEOUT})
  endif()
  add_executable(tst_${name} ${T_SOURCES})
  set_target_properties(tst_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  # AUTOMOC starts CMake twice for a target, moc once: on two cores that is minutes for all the tests.
  list(GET T_SOURCES 0 main_source)
  cmake_path(GET main_source STEM stem)
  # Without a target moc has no include folders, so it reads this one file: with them it reads LibTorch too, 10 s for a test.
  qt_generate_moc("${main_source}" "${CMAKE_CURRENT_BINARY_DIR}/${stem}.moc")
  target_sources(tst_${name} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/${stem}.moc")
  target_include_directories(tst_${name} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}")
  target_compile_definitions(tst_${name} PRIVATE QT_NO_KEYWORDS
    CREST_SOURCE_DIR="${CMAKE_SOURCE_DIR}" CREST_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(tst_${name} PRIVATE crest_options Qt6::Test ${T_LIBS})
  if("oracle" IN_LIST T_LABELS)
    target_link_libraries(tst_${name} PRIVATE crest_peers)
  endif()
  # What a test spends is spent in the libraries; its own code is compiled quickly rather than to be quick.
  crest_compile_quickly(tst_${name})
  if(NOT T_LIBS)
    # Nothing to share.
  elseif(T_LIBS MATCHES "crest_(model|train|eval|probe|torch)")
    target_precompile_headers(tst_${name} REUSE_FROM crest_test_of_engine)
  elseif(T_LIBS MATCHES "crest_(ui|app)")
    target_precompile_headers(tst_${name} REUSE_FROM crest_test_of_window)
  else()
    target_precompile_headers(tst_${name} REUSE_FROM crest_test_of_core)
  endif()
  add_test(NAME ${name} COMMAND tst_${name})
  # One limit, ctest's: QtTest's own, 5 minutes for all rows of a function, is hit by comparisons on a busy machine.
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}"
    ENVIRONMENT "QTEST_FUNCTION_TIMEOUT=${T_TIMEOUT}000;QT_QPA_PLATFORM=offscreen;CREST_PYTHON=${CREST_PYTHON};CREST_CACHE=${CMAKE_BINARY_DIR}/tests/cache;CREST_PEER_ANSWERS=${CMAKE_BINARY_DIR}/tests/peers")
endfunction()

# crest_fuzz(NAME SOURCE LIBS...): with CREST_FUZZ (clang) a libFuzzer target that ctest runs for CREST_FUZZ_SECONDS from the corpus
# in tests/fuzz/corpus/<NAME>; otherwise a program that replays that corpus.
function(crest_fuzz name source)
  set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  add_executable(fuzz_${name} ${source})
  target_link_libraries(fuzz_${name} PRIVATE crest_options ${ARGN})
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  if(CREST_FUZZ)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers fuzz_${name})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/found/${name}")
    math(EXPR limit "${CREST_FUZZ_SECONDS} + 120")
    add_test(NAME fuzz_${name}
      COMMAND fuzz_${name} -max_total_time=${CREST_FUZZ_SECONDS} -timeout=2 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1
              "${CMAKE_BINARY_DIR}/found/${name}" "${corpus}"
      WORKING_DIRECTORY "${CMAKE_BINARY_DIR}/found/${name}")
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT ${limit} LABELS fuzz)
  else()
    target_sources(fuzz_${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cpp")
    add_test(NAME fuzz_replay_${name} COMMAND fuzz_${name} "${corpus}")
    set_tests_properties(fuzz_replay_${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
  endif()
endfunction()
