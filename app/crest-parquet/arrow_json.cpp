// SPDX-License-Identifier: Apache-2.0
#include "arrow_json.h"

#include <cmath>

#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/util/float16.h>

namespace crest::parquet {
namespace {

constexpr int kMaxDepth = 16;

template<class ArrayType> auto valueOf(const arrow::Array& column, std::int64_t row) {
    return static_cast<const ArrayType&>(column).GetView(row);
}

Json number(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}

Result<Json> listOf(const arrow::Array& values, std::int64_t begin, std::int64_t end, int depth) {
    Json list = Json::array();
    for (std::int64_t i = begin; i < end; ++i) {
        CREST_TRY(value, jsonOf(values, i, depth + 1));
        list.push_back(std::move(value));
    }
    return list;
}

template<class ListType> Result<Json> listAt(const arrow::Array& column, std::int64_t row, int depth) {
    const auto& list = static_cast<const ListType&>(column);
    return listOf(*list.values(), list.value_offset(row), list.value_offset(row) + list.value_length(row), depth);
}

Result<Json> structAt(const arrow::Array& column, std::int64_t row, int depth) {
    const auto& structure = static_cast<const arrow::StructArray&>(column);
    Json object = Json::object();
    for (int i = 0; i < structure.num_fields(); ++i) {
        CREST_TRY(value, jsonOf(*structure.field(i), row, depth + 1));
        object[structure.struct_type()->field(i)->name()] = std::move(value);
    }
    return object;
}

Result<Json> mapAt(const arrow::Array& column, std::int64_t row, int depth) {
    const auto& map = static_cast<const arrow::MapArray&>(column);
    Json object = Json::object();
    for (std::int64_t i = map.value_offset(row); i < map.value_offset(row) + map.value_length(row); ++i) {
        CREST_TRY(key, jsonOf(*map.keys(), i, depth + 1));
        if (!key.is_string())
            return fail(ErrorKind::Unsupported, "a map whose keys are no texts");
        CREST_TRY(value, jsonOf(*map.items(), i, depth + 1));
        object[key.get<std::string>()] = std::move(value);
    }
    return object;
}

/// Dates, times, decimals: as Arrow prints them.
Result<Json> printed(const arrow::Array& column, std::int64_t row) {
    auto scalar = column.GetScalar(row);
    if (!scalar.ok())
        return fail(ErrorKind::Malformed, scalar.status().message());
    return Json((*scalar)->ToString());
}

} // namespace

Result<Json> jsonOf(const arrow::Array& column, std::int64_t row, int depth) {
    if (depth > kMaxDepth)
        return fail(ErrorKind::Unsupported, "nested deeper than 16 levels");
    if (column.IsNull(row))
        return Json();
    using arrow::Type;
    switch (column.type_id()) {
    case Type::NA:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
        return Json();
    case Type::BOOL:
        return Json(static_cast<const arrow::BooleanArray&>(column).Value(row));
    case Type::INT8:
        return Json(valueOf<arrow::Int8Array>(column, row));
    case Type::INT16:
        return Json(valueOf<arrow::Int16Array>(column, row));
    case Type::INT32:
        return Json(valueOf<arrow::Int32Array>(column, row));
    case Type::INT64:
        return Json(valueOf<arrow::Int64Array>(column, row));
    case Type::UINT8:
        return Json(valueOf<arrow::UInt8Array>(column, row));
    case Type::UINT16:
        return Json(valueOf<arrow::UInt16Array>(column, row));
    case Type::UINT32:
        return Json(valueOf<arrow::UInt32Array>(column, row));
    case Type::UINT64:
        return Json(valueOf<arrow::UInt64Array>(column, row));
    case Type::HALF_FLOAT:
        return number(arrow::util::Float16::FromBits(valueOf<arrow::HalfFloatArray>(column, row)).ToDouble());
    case Type::FLOAT:
        return number(valueOf<arrow::FloatArray>(column, row));
    case Type::DOUBLE:
        return number(valueOf<arrow::DoubleArray>(column, row));
    case Type::STRING:
        return Json(std::string(valueOf<arrow::StringArray>(column, row)));
    case Type::LARGE_STRING:
        return Json(std::string(valueOf<arrow::LargeStringArray>(column, row)));
    case Type::STRING_VIEW:
        return Json(std::string(valueOf<arrow::StringViewArray>(column, row)));
    case Type::LIST:
        return listAt<arrow::ListArray>(column, row, depth);
    case Type::LARGE_LIST:
        return listAt<arrow::LargeListArray>(column, row, depth);
    case Type::FIXED_SIZE_LIST:
        return listAt<arrow::FixedSizeListArray>(column, row, depth);
    case Type::STRUCT:
        return structAt(column, row, depth);
    case Type::MAP:
        return mapAt(column, row, depth);
    case Type::DICTIONARY: {
        const auto& dictionary = static_cast<const arrow::DictionaryArray&>(column);
        return jsonOf(*dictionary.dictionary(), dictionary.GetValueIndex(row), depth + 1);
    }
    case Type::EXTENSION:
        return jsonOf(*static_cast<const arrow::ExtensionArray&>(column).storage(), row, depth + 1);
    default:
        return printed(column, row);
    }
}

} // namespace crest::parquet
