// SPDX-License-Identifier: Apache-2.0
// The part of HDF5 that Crest uses, behind two small classes: write a new file once, read a finished one. Layouts that
// h5py, pandas and xarray open. HDF5's own types stay in the .cpp files.
//
// Threads: any, one object at a time in the process (a second one waits): HDF5 is not thread-safe everywhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"

namespace crest::io {

/// A column of a table: whole numbers, floating point, or texts (stored with a fixed length, since pandas reads no
/// others).
struct Hdf5Column {
    std::string name;
    std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>> values;
    std::size_t rows() const {
        return std::visit([](const auto& list) { return list.size(); }, values);
    }
};

/// An HDF5 identifier that closes itself, unless a write has failed: after the first error the library may crash in any
/// further call.
class Hdf5Id {
public:
    Hdf5Id() = default;
    Hdf5Id(std::int64_t id, int (*close)(std::int64_t))
        : m_id(id)
        , m_close(close) {}
    Hdf5Id(Hdf5Id&& other) noexcept
        : m_id(std::exchange(other.m_id, -1))
        , m_close(other.m_close) {}
    Hdf5Id& operator=(Hdf5Id&& other) noexcept {
        std::swap(m_id, other.m_id);
        std::swap(m_close, other.m_close);
        return *this;
    }
    ~Hdf5Id();
    std::int64_t get() const { return m_id; }
    bool valid() const { return m_id >= 0; }
    /// Gives the identifier up: the caller closes it.
    std::int64_t take() { return std::exchange(m_id, -1); }

private:
    std::int64_t m_id = -1;
    int (*m_close)(std::int64_t) = nullptr;
};

/// Writes a new file. Every call is checked. After the first error no call does anything any more, nothing is closed,
/// and the process should end with _exit as soon as it can: a full disk leaves HDF5 1.10 in a state where closing
/// crashes.
class Hdf5Writer {
public:
    static Result<Hdf5Writer> create(const std::filesystem::path& file);

    /// Paths are absolute ("/cubes/a"); missing groups on the way are made.
    Result<void> group(const std::string& path);
    Result<void> attribute(const std::string& path, const std::string& name, std::string_view text);
    Result<void> attribute(const std::string& path, const std::string& name, std::int64_t value);
    /// A one-dimensional compound data set that grows and is compressed. All columns have the same length.
    Result<void> table(const std::string& path, const std::vector<Hdf5Column>& columns);
    /// Row-major; compressed. Floating-point arrays get the attribute _FillValue NaN.
    Result<void> array(const std::string& path, std::span<const float> values, const std::vector<std::uint64_t>& shape);
    Result<void> array(const std::string& path, std::span<const double> values,
                       const std::vector<std::uint64_t>& shape);
    Result<void> array(const std::string& path, std::span<const std::int32_t> values,
                       const std::vector<std::uint64_t>& shape);
    Result<void> array(const std::string& path, std::span<const std::int64_t> values,
                       const std::vector<std::uint64_t>& shape);
    Result<void> array(const std::string& path, std::span<const std::uint8_t> values,
                       const std::vector<std::uint64_t>& shape);
    Result<void> array(const std::string& path, const std::vector<std::string>& texts);
    /// Makes a 1-d data set the scale of a dimension of this name; attaches it to an axis of another.
    Result<void> makeScale(const std::string& path, const std::string& name);
    Result<void> attachScale(const std::string& path, unsigned axis, const std::string& scale);

    /// Flushes and closes; the file is complete only after this succeeded.
    Result<void> close();

private:
    Hdf5Writer(std::filesystem::path path, Hdf5Id file, std::unique_lock<std::mutex> lock)
        : m_path(std::move(path))
        , m_lock(std::move(lock))
        , m_file(std::move(file)) {}
    std::filesystem::path m_path;
    std::unique_lock<std::mutex> m_lock;
    Hdf5Id m_file;
    bool m_failed = false;

    Result<void> failed(const std::string& what);
    Result<void> writeArray(const std::string& path, std::int64_t type, std::size_t elementBytes, const void* data,
                            std::size_t count, const std::vector<std::uint64_t>& shape);
    Result<void> fillValue(const std::string& path, std::int64_t type, const void* value);
};

/// Reads a finished file. What the file says is checked before it is believed; it is opened read-only and without
/// HDF5's own locks.
class Hdf5Reader {
public:
    static Result<Hdf5Reader> open(const std::filesystem::path& file);

    bool has(const std::string& path) const;
    Result<std::string> textAttribute(const std::string& path, const std::string& name) const;
    Result<std::int64_t> intAttribute(const std::string& path, const std::string& name) const;
    Result<std::vector<Hdf5Column>> table(const std::string& path) const;
    Result<std::vector<float>> floats(const std::string& path) const;
    Result<std::vector<std::int32_t>> ints(const std::string& path) const;
    Result<std::vector<std::int64_t>> longs(const std::string& path) const;
    Result<std::vector<std::uint8_t>> bytes(const std::string& path) const;

private:
    Hdf5Reader(std::filesystem::path path, Hdf5Id file, std::unique_lock<std::mutex> lock)
        : m_path(std::move(path))
        , m_lock(std::move(lock))
        , m_file(std::move(file)) {}
    std::filesystem::path m_path;
    std::unique_lock<std::mutex> m_lock;
    Hdf5Id m_file;

    tl::unexpected<Error> broken(const std::string& what) const;
    template<class T> Result<std::vector<T>> values(const std::string& path, std::int64_t type) const;
};

} // namespace crest::io
