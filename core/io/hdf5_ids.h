// SPDX-License-Identifier: Apache-2.0
// HDF5 identifiers as Hdf5Id, for hdf5.cpp and hdf5_table.cpp only.
#pragma once

#include <hdf5.h>

#include "core/io/hdf5.h"

namespace crest::io::hdf5 {

static_assert(sizeof(hid_t) == sizeof(std::int64_t));

inline Hdf5Id dataset(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Dclose(it); }};
}
inline Hdf5Id space(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Sclose(it); }};
}
inline Hdf5Id type(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Tclose(it); }};
}
inline Hdf5Id properties(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Pclose(it); }};
}
inline Hdf5Id attributeId(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Aclose(it); }};
}
inline Hdf5Id object(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Oclose(it); }};
}

/// Variable-length UTF-8.
inline Hdf5Id textType() {
    Hdf5Id text = type(H5Tcopy(H5T_C_S1));
    H5Tset_size(text.get(), H5T_VARIABLE);
    H5Tset_cset(text.get(), H5T_CSET_UTF8);
    return text;
}

/// Missing groups on the way to a new object are made.
inline Hdf5Id intermediateGroups() {
    Hdf5Id list = properties(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(list.get(), 1);
    return list;
}

/// Chunked, shuffle + deflate 4.
inline Hdf5Id compressed(const std::vector<hsize_t>& chunk) {
    Hdf5Id list = properties(H5Pcreate(H5P_DATASET_CREATE));
    if (H5Pset_chunk(list.get(), static_cast<int>(chunk.size()), chunk.data()) < 0 || H5Pset_shuffle(list.get()) < 0 ||
        H5Pset_deflate(list.get(), 4) < 0)
        return {};
    return list;
}

} // namespace crest::io::hdf5
