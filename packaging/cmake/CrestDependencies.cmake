# SPDX-License-Identifier: Apache-2.0
# Everything that is found outside the tree. Torch-free modules see none of LibTorch's include folders,
# because the wheel ships its own fmt.

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
find_package(tl-expected REQUIRED)
find_package(LibArchive REQUIRED)

find_path(PCRE2_INCLUDE pcre2.h REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
add_library(crest_pcre2 INTERFACE)
target_include_directories(crest_pcre2 SYSTEM INTERFACE ${PCRE2_INCLUDE})
target_link_libraries(crest_pcre2 INTERFACE ${PCRE2_LIBRARY})

find_path(YAML_INCLUDE yaml.h REQUIRED)
find_library(YAML_LIBRARY yaml REQUIRED)
add_library(crest_yaml INTERFACE)
target_include_directories(crest_yaml SYSTEM INTERFACE ${YAML_INCLUDE})
target_link_libraries(crest_yaml INTERFACE ${YAML_LIBRARY})

find_package(HDF5 REQUIRED COMPONENTS C)
add_library(crest_hdf5 INTERFACE)
target_include_directories(crest_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(crest_hdf5 INTERFACE ${HDF5_C_LIBRARIES})

# Parquet is read by Apache Arrow in a helper program of its own. Debian has no Arrow; the wheel of pyarrow holds headers and libraries.
set(CREST_ARROW_DIR "" CACHE PATH "A pyarrow wheel's folder (include/, libarrow.so.N, libparquet.so.N); without it Crest reads no Parquet")
if(NOT CREST_ARROW_DIR)
  file(GLOB CREST_ARROW_CANDIDATES "${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/pyarrow/libparquet.so.*")
  if(CREST_ARROW_CANDIDATES)
    list(GET CREST_ARROW_CANDIDATES 0 found_arrow)
    cmake_path(GET found_arrow PARENT_PATH found_arrow)
    set(CREST_ARROW_DIR "${found_arrow}" CACHE PATH "" FORCE)
  else()
    message(STATUS "No pyarrow in build/venv: Crest is built without Parquet")
  endif()
endif()

# SentencePiece has no CMake files of its own; only the helper program crest-read-model is linked with it.
find_path(CREST_SENTENCEPIECE_INCLUDE sentencepiece_processor.h)
find_library(CREST_SENTENCEPIECE_LIBRARY sentencepiece)
if(CREST_SENTENCEPIECE_INCLUDE AND CREST_SENTENCEPIECE_LIBRARY)
  add_library(crest_sentencepiece INTERFACE)
  target_include_directories(crest_sentencepiece SYSTEM INTERFACE "${CREST_SENTENCEPIECE_INCLUDE}")
  target_link_libraries(crest_sentencepiece INTERFACE "${CREST_SENTENCEPIECE_LIBRARY}")
elseif(CREST_ENGINE OR CREST_WINDOW)
  message(WARNING "SentencePiece was not found (libsentencepiece-dev): tokenizer.model cannot be read; all else can.")
endif()

# The Python of the virtual environment, for tests that compare with the field's references.
set(CREST_PYTHON "" CACHE FILEPATH "Python with tests/oracle/requirements.txt installed")
if(NOT CREST_PYTHON AND EXISTS "${CMAKE_SOURCE_DIR}/build/venv/bin/python")
  set(CREST_PYTHON "${CMAKE_SOURCE_DIR}/build/venv/bin/python" CACHE FILEPATH "" FORCE)
endif()

if(CREST_ENGINE)
  if(NOT CREST_TORCH_DIR)
    file(GLOB CREST_TORCH_CANDIDATES "${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/torch")
    if(CREST_TORCH_CANDIDATES)
      list(GET CREST_TORCH_CANDIDATES 0 found_torch)
      set(CREST_TORCH_DIR "${found_torch}" CACHE PATH "" FORCE)
    endif()
  endif()
  if(NOT EXISTS "${CREST_TORCH_DIR}/lib/libtorch_cpu.so")
    message(FATAL_ERROR "LibTorch was not found (CREST_TORCH_DIR='${CREST_TORCH_DIR}').\n"
      "Run packaging/setup, which puts the wheel torch==2.13.0 into build/venv, or pass\n"
      "-DCREST_TORCH_DIR=FOLDER where FOLDER holds include/ and lib/libtorch_cpu.so.")
  endif()
  # find_package(Torch) on a CUDA wheel asks for the CUDA toolkit; these two libraries are all that is linked.
  # libtorch_cuda.so, where it exists, is opened at run time.
  add_library(crest_c10 SHARED IMPORTED)
  set_target_properties(crest_c10 PROPERTIES IMPORTED_LOCATION "${CREST_TORCH_DIR}/lib/libc10.so")
  add_library(crest_libtorch_cpu SHARED IMPORTED)
  set_target_properties(crest_libtorch_cpu PROPERTIES IMPORTED_LOCATION "${CREST_TORCH_DIR}/lib/libtorch_cpu.so")
  add_library(crest_torch INTERFACE)
  target_include_directories(crest_torch SYSTEM INTERFACE
    "${CREST_TORCH_DIR}/include" "${CREST_TORCH_DIR}/include/torch/csrc/api/include")
  target_link_libraries(crest_torch INTERFACE crest_libtorch_cpu crest_c10)
  target_compile_definitions(crest_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
endif()

if(CREST_WINDOW OR CREST_TESTS)
  find_package(Qt6 6.4 REQUIRED COMPONENTS Core)
endif()
if(CREST_WINDOW)
  find_package(Qt6 6.4 REQUIRED COMPONENTS Gui Widgets Charts Svg Concurrent Xml)
endif()
if(CREST_TESTS)
  find_package(Qt6 6.4 REQUIRED COMPONENTS Test)
endif()
