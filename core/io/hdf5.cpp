// SPDX-License-Identifier: Apache-2.0
#include "core/io/hdf5.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include <hdf5_hl.h>

#include "core/io/hdf5_ids.h"

namespace crest::io {
namespace fs = std::filesystem;
using namespace hdf5;
namespace {

std::mutex g_library;                ///< one user of HDF5 at a time in this process
std::atomic<bool> g_poisoned{false}; ///< a write failed: no further call into the library

std::unique_lock<std::mutex> enterLibrary() {
    std::unique_lock lock(g_library);
    // Its exit handler has crashed on full disks; everything here closes itself.
    static const bool once = (H5dont_atexit(), true);
    (void)once;
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    return lock;
}

Hdf5Id accessList() {
    Hdf5Id list = properties(H5Pcreate(H5P_FILE_ACCESS));
    H5Pset_libver_bounds(list.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
    H5Pset_fclose_degree(list.get(), H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    // Files are replaced whole, never changed in place; network file systems often have no locks.
    H5Pset_file_locking(list.get(), false, true);
#endif
    return list;
}

Hdf5Id file(hid_t id) {
    return {id, [](std::int64_t it) -> int { return H5Fclose(it); }};
}

/// Chunks of at most 1 MiB (the default chunk cache) that keep the last axes whole.
std::vector<hsize_t> chunkOf(const std::vector<std::uint64_t>& shape, std::size_t elementBytes) {
    std::vector<hsize_t> chunk(shape.begin(), shape.end());
    for (hsize_t& length : chunk)
        length = std::max<hsize_t>(1, length);
    const auto bytes = [&] {
        hsize_t product = elementBytes;
        for (const hsize_t length : chunk)
            product *= length;
        return product;
    };
    for (hsize_t& length : chunk)
        while (length > 1 && bytes() > (1u << 20))
            length = (length + 1) / 2;
    return chunk;
}

} // namespace

Hdf5Id::~Hdf5Id() {
    if (m_id >= 0 && m_close && !g_poisoned)
        (void)m_close(m_id);
}

Result<Hdf5Writer> Hdf5Writer::create(const fs::path& path) {
    auto lock = enterLibrary();
    if (g_poisoned)
        return fail(ErrorKind::Io, "HDF5 failed before in this process.", path.string());
    const Hdf5Id creation = properties(H5Pcreate(H5P_FILE_CREATE));
    H5Pset_link_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    const Hdf5Id access = accessList();
    Hdf5Id made = file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
    if (!made.valid())
        return fail(ErrorKind::Io, "HDF5 cannot create this file; is there room, and may it be written?",
                    path.string());
    return Hdf5Writer(path, std::move(made), std::move(lock));
}

Result<void> Hdf5Writer::failed(const std::string& what) {
    m_failed = true;
    g_poisoned = true;
    return fail(ErrorKind::Io, "HDF5 could not write " + what + "; most often the disk is full.", m_path.string());
}

Result<void> Hdf5Writer::group(const std::string& path) {
    if (m_failed)
        return failed(path);
    if (H5Lexists(m_file.get(), path.c_str(), H5P_DEFAULT) > 0)
        return {};
    const Hdf5Id links = intermediateGroups();
    const Hdf5Id creation = properties(H5Pcreate(H5P_GROUP_CREATE));
    H5Pset_link_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    const Hdf5Id made = object(H5Gcreate2(m_file.get(), path.c_str(), links.get(), creation.get(), H5P_DEFAULT));
    if (!made.valid())
        return failed(path);
    return {};
}

Result<void> Hdf5Writer::attribute(const std::string& path, const std::string& name, std::string_view text) {
    if (m_failed)
        return failed(path);
    const std::string copy(text);
    const char* pointer = copy.c_str();
    const Hdf5Id at = object(H5Oopen(m_file.get(), path.c_str(), H5P_DEFAULT));
    const Hdf5Id type = textType(), scalar = space(H5Screate(H5S_SCALAR));
    const Hdf5Id made = attributeId(
        at.valid() ? H5Acreate2(at.get(), name.c_str(), type.get(), scalar.get(), H5P_DEFAULT, H5P_DEFAULT) : -1);
    if (!made.valid() || H5Awrite(made.get(), type.get(), &pointer) < 0)
        return failed(path + "@" + name);
    return {};
}

Result<void> Hdf5Writer::attribute(const std::string& path, const std::string& name, std::int64_t value) {
    if (m_failed)
        return failed(path);
    const Hdf5Id at = object(H5Oopen(m_file.get(), path.c_str(), H5P_DEFAULT));
    const Hdf5Id scalar = space(H5Screate(H5S_SCALAR));
    const Hdf5Id made = attributeId(
        at.valid() ? H5Acreate2(at.get(), name.c_str(), H5T_STD_I64LE, scalar.get(), H5P_DEFAULT, H5P_DEFAULT) : -1);
    if (!made.valid() || H5Awrite(made.get(), H5T_NATIVE_INT64, &value) < 0)
        return failed(path + "@" + name);
    return {};
}

Result<void> Hdf5Writer::fillValue(const std::string& path, std::int64_t type, const void* value) {
    const Hdf5Id at = object(H5Oopen(m_file.get(), path.c_str(), H5P_DEFAULT));
    const hsize_t one = 1;
    const Hdf5Id single = space(H5Screate_simple(1, &one, nullptr));
    const Hdf5Id made =
        attributeId(at.valid() ? H5Acreate2(at.get(), "_FillValue", type, single.get(), H5P_DEFAULT, H5P_DEFAULT) : -1);
    if (!made.valid() || H5Awrite(made.get(), type, value) < 0)
        return failed(path + "@_FillValue");
    return {};
}

// What the library holds back of a data set is written when it is closed, where nobody looks at errors: each is flushed
// before.
Result<void> Hdf5Writer::writeArray(const std::string& path, std::int64_t type, std::size_t elementBytes,
                                    const void* data, std::size_t count, const std::vector<std::uint64_t>& shape) {
    if (m_failed)
        return failed(path);
    std::size_t expected = 1;
    for (const std::uint64_t length : shape)
        expected *= length;
    if (expected != count || shape.empty())
        return fail(ErrorKind::Internal, "The shape of " + path + " does not match its values.", m_path.string());
    const std::vector<hsize_t> dims(shape.begin(), shape.end());
    const Hdf5Id links = intermediateGroups(), creation = compressed(chunkOf(shape, elementBytes));
    const Hdf5Id where = space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr));
    const Hdf5Id made = dataset(creation.valid() ? H5Dcreate2(m_file.get(), path.c_str(), type, where.get(),
                                                              links.get(), creation.get(), H5P_DEFAULT)
                                                 : -1);
    if (!made.valid() || (count > 0 && H5Dwrite(made.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) ||
        H5Dflush(made.get()) < 0)
        return failed(path);
    return {};
}

Result<void> Hdf5Writer::array(const std::string& path, std::span<const float> values,
                               const std::vector<std::uint64_t>& shape) {
    const float missing = std::numeric_limits<float>::quiet_NaN();
    CREST_CHECK(writeArray(path, H5T_NATIVE_FLOAT, sizeof(float), values.data(), values.size(), shape));
    return fillValue(path, H5T_NATIVE_FLOAT, &missing);
}
Result<void> Hdf5Writer::array(const std::string& path, std::span<const double> values,
                               const std::vector<std::uint64_t>& shape) {
    const double missing = std::numeric_limits<double>::quiet_NaN();
    CREST_CHECK(writeArray(path, H5T_NATIVE_DOUBLE, sizeof(double), values.data(), values.size(), shape));
    return fillValue(path, H5T_NATIVE_DOUBLE, &missing);
}
Result<void> Hdf5Writer::array(const std::string& path, std::span<const std::int32_t> values,
                               const std::vector<std::uint64_t>& shape) {
    return writeArray(path, H5T_NATIVE_INT32, sizeof(std::int32_t), values.data(), values.size(), shape);
}
Result<void> Hdf5Writer::array(const std::string& path, std::span<const std::int64_t> values,
                               const std::vector<std::uint64_t>& shape) {
    return writeArray(path, H5T_NATIVE_INT64, sizeof(std::int64_t), values.data(), values.size(), shape);
}

Result<void> Hdf5Writer::array(const std::string& path, std::span<const std::uint8_t> values,
                               const std::vector<std::uint64_t>& shape) {
    return writeArray(path, H5T_NATIVE_UINT8, sizeof(std::uint8_t), values.data(), values.size(), shape);
}

Result<void> Hdf5Writer::array(const std::string& path, const std::vector<std::string>& texts) {
    if (m_failed)
        return failed(path);
    std::vector<const char*> pointers;
    for (const std::string& text : texts)
        pointers.push_back(text.c_str());
    const hsize_t length = texts.size();
    const Hdf5Id links = intermediateGroups(), type = textType(), where = space(H5Screate_simple(1, &length, nullptr));
    const Hdf5Id made =
        dataset(H5Dcreate2(m_file.get(), path.c_str(), type.get(), where.get(), links.get(), H5P_DEFAULT, H5P_DEFAULT));
    if (!made.valid() ||
        (length > 0 && H5Dwrite(made.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()) < 0) ||
        H5Dflush(made.get()) < 0)
        return failed(path);
    return {};
}

Result<void> Hdf5Writer::makeScale(const std::string& path, const std::string& name) {
    if (m_failed)
        return failed(path);
    const Hdf5Id scale = dataset(H5Dopen2(m_file.get(), path.c_str(), H5P_DEFAULT));
    if (!scale.valid() || H5DSset_scale(scale.get(), name.c_str()) < 0)
        return failed(path);
    return {};
}

Result<void> Hdf5Writer::attachScale(const std::string& path, unsigned axis, const std::string& scalePath) {
    if (m_failed)
        return failed(path);
    const Hdf5Id data = dataset(H5Dopen2(m_file.get(), path.c_str(), H5P_DEFAULT)),
                 scale = dataset(H5Dopen2(m_file.get(), scalePath.c_str(), H5P_DEFAULT));
    if (!data.valid() || !scale.valid() || H5DSattach_scale(data.get(), scale.get(), axis) < 0)
        return failed(path);
    return {};
}

Result<void> Hdf5Writer::close() {
    if (m_failed || H5Fflush(m_file.get(), H5F_SCOPE_GLOBAL) < 0 || H5Fclose(m_file.get()) < 0)
        return failed("the file to its end");
    (void)m_file.take();
    m_lock.unlock();
    return {};
}

Result<Hdf5Reader> Hdf5Reader::open(const fs::path& path) {
    // Looked at before HDF5 is: a foreign or empty file never reaches the library.
    std::ifstream in(path, std::ios::binary);
    char magic[8] = {};
    if (!in.read(magic, 8) || std::memcmp(magic, "\x89HDF\r\n\x1a\n", 8) != 0)
        return fail(ErrorKind::Malformed, "it is not an HDF5 file", path.string());
    auto lock = enterLibrary();
    if (g_poisoned)
        return fail(ErrorKind::Io, "HDF5 failed before in this process", path.string());
    const Hdf5Id access = accessList();
    Hdf5Id opened = file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
    if (!opened.valid())
        return fail(ErrorKind::Malformed, "HDF5 cannot open it", path.string());
    return Hdf5Reader(path, std::move(opened), std::move(lock));
}

tl::unexpected<Error> Hdf5Reader::broken(const std::string& what) const {
    return fail(ErrorKind::Malformed, what + " is missing or cannot be read", m_path.string());
}

bool Hdf5Reader::has(const std::string& path) const {
    return H5Lexists(m_file.get(), path.c_str(), H5P_DEFAULT) > 0;
}

Result<std::string> Hdf5Reader::textAttribute(const std::string& path, const std::string& name) const {
    const Hdf5Id at = attributeId(H5Aopen_by_name(m_file.get(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    const Hdf5Id stored = type(at.valid() ? H5Aget_type(at.get()) : -1);
    if (!stored.valid() || H5Tis_variable_str(stored.get()) <= 0)
        return broken(path + "@" + name);
    const Hdf5Id text = textType();
    char* pointer = nullptr;
    if (H5Aread(at.get(), text.get(), &pointer) < 0 || !pointer)
        return broken(path + "@" + name);
    std::string result(pointer);
    H5free_memory(pointer);
    return result;
}

Result<std::int64_t> Hdf5Reader::intAttribute(const std::string& path, const std::string& name) const {
    const Hdf5Id at = attributeId(H5Aopen_by_name(m_file.get(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    const Hdf5Id where = space(at.valid() ? H5Aget_space(at.get()) : -1);
    std::int64_t value = 0;
    if (!where.valid() || H5Sget_simple_extent_npoints(where.get()) != 1 ||
        H5Aread(at.get(), H5T_NATIVE_INT64, &value) < 0)
        return broken(path + "@" + name);
    return value;
}

template<class T> Result<std::vector<T>> Hdf5Reader::values(const std::string& path, std::int64_t elementType) const {
    const Hdf5Id data = dataset(H5Dopen2(m_file.get(), path.c_str(), H5P_DEFAULT));
    const Hdf5Id where = space(data.valid() ? H5Dget_space(data.get()) : -1);
    const hssize_t count = where.valid() ? H5Sget_simple_extent_npoints(where.get()) : -1;
    if (count < 0 || count > (hssize_t{1} << 34))
        return broken(path);
    std::vector<T> result(static_cast<std::size_t>(count));
    if (count > 0 && H5Dread(data.get(), elementType, H5S_ALL, H5S_ALL, H5P_DEFAULT, result.data()) < 0)
        return broken(path);
    return result;
}

Result<std::vector<float>> Hdf5Reader::floats(const std::string& path) const {
    return values<float>(path, H5T_NATIVE_FLOAT);
}
Result<std::vector<std::int32_t>> Hdf5Reader::ints(const std::string& path) const {
    return values<std::int32_t>(path, H5T_NATIVE_INT32);
}
Result<std::vector<std::int64_t>> Hdf5Reader::longs(const std::string& path) const {
    return values<std::int64_t>(path, H5T_NATIVE_INT64);
}
Result<std::vector<std::uint8_t>> Hdf5Reader::bytes(const std::string& path) const {
    return values<std::uint8_t>(path, H5T_NATIVE_UINT8);
}

} // namespace crest::io
