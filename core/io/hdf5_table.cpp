// SPDX-License-Identifier: Apache-2.0
// Tables: one-dimensional compound data sets with fixed-length texts, the form that PyTables and pandas read.
#include <algorithm>
#include <cstring>

#include "core/io/hdf5.h"
#include "core/io/hdf5_ids.h"

namespace crest::io {
using namespace hdf5;
namespace {

constexpr hsize_t kChunkRows = 1024, kRowsAtOnce = 8192;
constexpr std::size_t kMaxRowBytes = 1 << 20;
constexpr hssize_t kMaxRows = hssize_t{1} << 31;

enum class Kind { Int, Real, Text };

struct Member {
    std::string name;
    Kind kind = Kind::Int;
    std::size_t offset = 0, size = 0;
};

struct RowLayout {
    std::vector<Member> members;
    std::size_t rowBytes = 0;
    Hdf5Id type;
};

Hdf5Id fixedText(std::size_t size) {
    Hdf5Id text = type(H5Tcopy(H5T_C_S1));
    H5Tset_size(text.get(), size);
    H5Tset_strpad(text.get(), H5T_STR_NULLPAD);
    return text;
}

/// The compound type in memory for these members.
Hdf5Id memoryType(const std::vector<Member>& members, std::size_t rowBytes) {
    Hdf5Id compound = type(H5Tcreate(H5T_COMPOUND, rowBytes));
    for (const Member& member : members) {
        const Hdf5Id text = member.kind == Kind::Text ? fixedText(member.size) : Hdf5Id();
        const hid_t element = member.kind == Kind::Int    ? H5T_NATIVE_INT64
                              : member.kind == Kind::Real ? H5T_NATIVE_DOUBLE
                                                          : text.get();
        if (H5Tinsert(compound.get(), member.name.c_str(), member.offset, element) < 0)
            return {};
    }
    return compound;
}

RowLayout layoutFor(const std::vector<Hdf5Column>& columns) {
    RowLayout layout;
    for (const Hdf5Column& column : columns) {
        Member member{column.name, static_cast<Kind>(column.values.index()), layout.rowBytes, 8};
        if (const auto* texts = std::get_if<2>(&column.values)) {
            member.size = 1;
            for (const std::string& text : *texts)
                member.size = std::max(member.size, text.size());
        }
        layout.rowBytes += member.size;
        layout.members.push_back(std::move(member));
    }
    layout.type = memoryType(layout.members, layout.rowBytes);
    return layout;
}

void pack(const Hdf5Column& column, const Member& member, std::size_t row, char* to) {
    if (const auto* ints = std::get_if<0>(&column.values))
        std::memcpy(to, &(*ints)[row], 8);
    else if (const auto* reals = std::get_if<1>(&column.values))
        std::memcpy(to, &(*reals)[row], 8);
    else {
        const std::string& text = std::get<2>(column.values)[row];
        std::memcpy(to, text.data(), std::min(text.size(), member.size));
    }
}

void unpack(const char* from, const Member& member, Hdf5Column& column) {
    if (member.kind == Kind::Text) {
        std::get<2>(column.values).emplace_back(from, ::strnlen(from, member.size));
    } else if (member.kind == Kind::Int) {
        std::int64_t value = 0;
        std::memcpy(&value, from, 8);
        std::get<0>(column.values).push_back(value);
    } else {
        double value = 0;
        std::memcpy(&value, from, 8);
        std::get<1>(column.values).push_back(value);
    }
}

/// What the file's table holds; empty where it has members that a table of ours cannot have.
std::vector<Member> membersOf(hid_t stored, std::size_t& rowBytes) {
    std::vector<Member> members;
    const int count = H5Tget_class(stored) == H5T_COMPOUND ? H5Tget_nmembers(stored) : 0;
    for (int i = 0; i < count; ++i) {
        char* name = H5Tget_member_name(stored, static_cast<unsigned>(i));
        const Hdf5Id element = type(H5Tget_member_type(stored, static_cast<unsigned>(i)));
        const H5T_class_t kind = H5Tget_class(element.get());
        Member member{name ? name : "", Kind::Int, rowBytes, 8};
        H5free_memory(name);
        if (kind == H5T_STRING && H5Tis_variable_str(element.get()) == 0) {
            member.kind = Kind::Text;
            member.size = H5Tget_size(element.get());
        } else if (kind == H5T_FLOAT) {
            member.kind = Kind::Real;
        } else if (kind != H5T_INTEGER) {
            return {};
        }
        rowBytes += member.size;
        if (rowBytes > kMaxRowBytes)
            return {};
        members.push_back(std::move(member));
    }
    return members;
}

Hdf5Column emptyColumn(const Member& member) {
    Hdf5Column column{member.name, std::vector<std::int64_t>()};
    if (member.kind == Kind::Real)
        column.values = std::vector<double>();
    if (member.kind == Kind::Text)
        column.values = std::vector<std::string>();
    return column;
}

/// Selects rows [first, first + count) of a 1-d data space.
bool select(hid_t where, hsize_t first, hsize_t count) {
    return H5Sselect_hyperslab(where, H5S_SELECT_SET, &first, nullptr, &count, nullptr) >= 0;
}

} // namespace

Result<void> Hdf5Writer::table(const std::string& path, const std::vector<Hdf5Column>& columns) {
    if (m_failed)
        return failed(path);
    const RowLayout layout = layoutFor(columns);
    const hsize_t rows = columns.empty() ? 0 : columns.front().rows(), unlimited = H5S_UNLIMITED;
    for (const Hdf5Column& column : columns)
        if (column.rows() != rows)
            return fail(ErrorKind::Internal, "The columns of " + path + " differ in length.", m_path.string());
    const Hdf5Id links = intermediateGroups(), creation = compressed({kChunkRows});
    const Hdf5Id where = space(H5Screate_simple(1, &rows, &unlimited));
    const Hdf5Id made = dataset(layout.type.valid() ? H5Dcreate2(m_file.get(), path.c_str(), layout.type.get(),
                                                                 where.get(), links.get(), creation.get(), H5P_DEFAULT)
                                                    : -1);
    if (!made.valid())
        return failed(path);
    std::vector<char> buffer;
    for (hsize_t first = 0; first < rows; first += kRowsAtOnce) {
        const hsize_t count = std::min(kRowsAtOnce, rows - first);
        buffer.assign(count * layout.rowBytes, 0);
        for (hsize_t row = 0; row < count; ++row)
            for (std::size_t c = 0; c < columns.size(); ++c)
                pack(columns[c], layout.members[c], first + row,
                     buffer.data() + row * layout.rowBytes + layout.members[c].offset);
        const Hdf5Id memory = space(H5Screate_simple(1, &count, nullptr));
        if (!select(where.get(), first, count) ||
            H5Dwrite(made.get(), layout.type.get(), memory.get(), where.get(), H5P_DEFAULT, buffer.data()) < 0)
            return failed(path);
    }
    if (H5Dflush(made.get()) < 0)
        return failed(path);
    return {};
}

Result<std::vector<Hdf5Column>> Hdf5Reader::table(const std::string& path) const {
    const Hdf5Id data = dataset(H5Dopen2(m_file.get(), path.c_str(), H5P_DEFAULT));
    const Hdf5Id where = space(data.valid() ? H5Dget_space(data.get()) : -1),
                 stored = type(data.valid() ? H5Dget_type(data.get()) : -1);
    const hssize_t points =
        where.valid() && H5Sget_simple_extent_ndims(where.get()) == 1 ? H5Sget_simple_extent_npoints(where.get()) : -1;
    if (points < 0 || points > kMaxRows || !stored.valid())
        return broken(path);
    std::size_t rowBytes = 0;
    const std::vector<Member> members = membersOf(stored.get(), rowBytes);
    if (members.empty())
        return broken(path);
    const Hdf5Id memoryRow = memoryType(members, rowBytes);
    std::vector<Hdf5Column> columns;
    for (const Member& member : members)
        columns.push_back(emptyColumn(member));
    const auto rows = static_cast<hsize_t>(points);
    std::vector<char> buffer(std::min(kRowsAtOnce, rows) * rowBytes);
    for (hsize_t first = 0; first < rows; first += kRowsAtOnce) {
        const hsize_t count = std::min(kRowsAtOnce, rows - first);
        const Hdf5Id memory = space(H5Screate_simple(1, &count, nullptr));
        if (!select(where.get(), first, count) ||
            H5Dread(data.get(), memoryRow.get(), memory.get(), where.get(), H5P_DEFAULT, buffer.data()) < 0)
            return broken(path);
        for (hsize_t row = 0; row < count; ++row)
            for (std::size_t c = 0; c < members.size(); ++c)
                unpack(buffer.data() + row * rowBytes + members[c].offset, members[c], columns[c]);
    }
    return columns;
}

} // namespace crest::io
