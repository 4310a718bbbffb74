// SPDX-License-Identifier: Apache-2.0
#include "core/io/pickle_names.h"

#include <algorithm>
#include <iterator>

namespace crest::io::detail {
namespace {

constexpr KnownName kNames[] = {
    {"collections", "OrderedDict", Meaning::OrderedDict},
    {"torch._utils", "_rebuild_tensor", Meaning::TensorV1},
    {"torch._utils", "_rebuild_tensor_v2", Meaning::TensorV2},
    {"torch._utils", "_rebuild_tensor_v3", Meaning::TensorV3},
    {"torch._utils", "_rebuild_parameter", Meaning::Parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Meaning::ParameterWithState},
    {"torch", "Size", Meaning::Size},
    {"torch", "device", Meaning::Device},
    {"__builtin__", "set", Meaning::Set},
    {"_codecs", "encode", Meaning::Encode},
    {"torch", "FloatStorage", Meaning::StorageType, DType::F32, "F32", 4},
    {"torch", "HalfStorage", Meaning::StorageType, DType::F16, "F16", 2},
    {"torch", "BFloat16Storage", Meaning::StorageType, DType::BF16, "BF16", 2},
    {"torch", "DoubleStorage", Meaning::StorageType, DType::F64, "F64", 8},
    {"torch", "LongStorage", Meaning::StorageType, DType::I64, "I64", 8},
    {"torch", "IntStorage", Meaning::StorageType, DType::I32, "I32", 4},
    {"torch", "ShortStorage", Meaning::StorageType, DType::I16, "I16", 2},
    {"torch", "CharStorage", Meaning::StorageType, DType::I8, "I8", 1},
    {"torch", "ByteStorage", Meaning::StorageType, DType::U8, "U8", 1},
    {"torch", "BoolStorage", Meaning::StorageType, DType::Bool, "BOOL", 1},
    {"torch.storage", "UntypedStorage", Meaning::StorageType, DType::Other, "", 1},
    {"torch", "float32", Meaning::DTypeName, DType::F32, "F32", 4},
    {"torch", "float16", Meaning::DTypeName, DType::F16, "F16", 2},
    {"torch", "bfloat16", Meaning::DTypeName, DType::BF16, "BF16", 2},
    {"torch", "float64", Meaning::DTypeName, DType::F64, "F64", 8},
    {"torch", "int64", Meaning::DTypeName, DType::I64, "I64", 8},
    {"torch", "int32", Meaning::DTypeName, DType::I32, "I32", 4},
    {"torch", "int16", Meaning::DTypeName, DType::I16, "I16", 2},
    {"torch", "int8", Meaning::DTypeName, DType::I8, "I8", 1},
    {"torch", "uint8", Meaning::DTypeName, DType::U8, "U8", 1},
    {"torch", "bool", Meaning::DTypeName, DType::Bool, "BOOL", 1},
    {"torch", "uint16", Meaning::DTypeName, DType::Other, "U16", 2},
    {"torch", "uint32", Meaning::DTypeName, DType::Other, "U32", 4},
    {"torch", "uint64", Meaning::DTypeName, DType::Other, "U64", 8},
    {"torch", "float8_e4m3fn", Meaning::DTypeName, DType::Other, "F8_E4M3", 1},
    {"torch", "float8_e5m2", Meaning::DTypeName, DType::Other, "F8_E5M2", 1},
};

struct Opcode {
    char code;
    const char* name;
};
/// pickletools of CPython 3.13.
constexpr Opcode kOpcodes[] = {{'(', "MARK"},
                               {'.', "STOP"},
                               {'0', "POP"},
                               {'1', "POP_MARK"},
                               {'2', "DUP"},
                               {'F', "FLOAT"},
                               {'I', "INT"},
                               {'J', "BININT"},
                               {'K', "BININT1"},
                               {'L', "LONG"},
                               {'M', "BININT2"},
                               {'N', "NONE"},
                               {'P', "PERSID"},
                               {'Q', "BINPERSID"},
                               {'R', "REDUCE"},
                               {'S', "STRING"},
                               {'T', "BINSTRING"},
                               {'U', "SHORT_BINSTRING"},
                               {'V', "UNICODE"},
                               {'X', "BINUNICODE"},
                               {'a', "APPEND"},
                               {'b', "BUILD"},
                               {'c', "GLOBAL"},
                               {'d', "DICT"},
                               {'}', "EMPTY_DICT"},
                               {'e', "APPENDS"},
                               {'g', "GET"},
                               {'h', "BINGET"},
                               {'i', "INST"},
                               {'j', "LONG_BINGET"},
                               {'l', "LIST"},
                               {']', "EMPTY_LIST"},
                               {'o', "OBJ"},
                               {'p', "PUT"},
                               {'q', "BINPUT"},
                               {'r', "LONG_BINPUT"},
                               {'s', "SETITEM"},
                               {'t', "TUPLE"},
                               {')', "EMPTY_TUPLE"},
                               {'u', "SETITEMS"},
                               {'G', "BINFLOAT"},
                               {'B', "BINBYTES"},
                               {'C', "SHORT_BINBYTES"},
                               {'\x80', "PROTO"},
                               {'\x81', "NEWOBJ"},
                               {'\x82', "EXT1"},
                               {'\x83', "EXT2"},
                               {'\x84', "EXT4"},
                               {'\x85', "TUPLE1"},
                               {'\x86', "TUPLE2"},
                               {'\x87', "TUPLE3"},
                               {'\x88', "NEWTRUE"},
                               {'\x89', "NEWFALSE"},
                               {'\x8a', "LONG1"},
                               {'\x8b', "LONG4"},
                               {'\x8c', "SHORT_BINUNICODE"},
                               {'\x8d', "BINUNICODE8"},
                               {'\x8e', "BINBYTES8"},
                               {'\x8f', "EMPTY_SET"},
                               {'\x90', "ADDITEMS"},
                               {'\x91', "FROZENSET"},
                               {'\x92', "NEWOBJ_EX"},
                               {'\x93', "STACK_GLOBAL"},
                               {'\x94', "MEMOIZE"},
                               {'\x95', "FRAME"},
                               {'\x96', "BYTEARRAY8"},
                               {'\x97', "NEXT_BUFFER"},
                               {'\x98', "READONLY_BUFFER"}};

} // namespace

const KnownName* findName(std::string_view module, std::string_view name) {
    const auto* found = std::find_if(std::begin(kNames), std::end(kNames), [&](const KnownName& known) {
        return known.module == module && known.name == name;
    });
    return found == std::end(kNames) ? nullptr : found;
}

const char* opcodeName(std::uint8_t opcode) {
    const auto* found = std::find_if(std::begin(kOpcodes), std::end(kOpcodes), [&](const Opcode& known) {
        return static_cast<std::uint8_t>(known.code) == opcode;
    });
    return found == std::end(kOpcodes) ? "unknown opcode" : found->name;
}

} // namespace crest::io::detail
