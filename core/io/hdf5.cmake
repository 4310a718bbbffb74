# SPDX-License-Identifier: Apache-2.0
# HDF5 behind core/io/hdf5.h; the dimension scales are in its high-level library.
find_package(HDF5 REQUIRED COMPONENTS C HL)
target_sources(crest_io PRIVATE "${CMAKE_CURRENT_LIST_DIR}/hdf5.cpp" "${CMAKE_CURRENT_LIST_DIR}/hdf5_table.cpp")
target_link_libraries(crest_io PRIVATE ${HDF5_C_HL_LIBRARIES} crest_hdf5)
