// SPDX-License-Identifier: Apache-2.0
// Hand-made safetensors files: what must be refused and why, and what must be accepted although it looks odd.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace crest::test {

/// What the safetensors library 0.8.0 says; it differs from Crest where Crest is stricter (formats.md 2.7).
enum class Library { Agrees, Accepts };

struct HandMadeFile {
    const char* name;
    std::string bytes;
    const char* message; ///< part of the message that must name the cause; null: the file must be accepted
    Library library = Library::Agrees;
};

/// A file of header text and data, its length field right.
inline std::string safetensorsFile(const std::string& header, std::size_t dataBytes) {
    const std::uint64_t length = header.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    return out + header + std::string(dataBytes, '\x3f');
}

inline std::string withLength(std::uint64_t length, const std::string& rest) {
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    return out + rest;
}

/// One tensor "a" with the given parts of its entry.
inline std::string oneTensor(const std::string& dtype, const std::string& shape, const std::string& offsets,
                             std::size_t dataBytes) {
    return safetensorsFile("{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                           dataBytes);
}

inline std::string nested(int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

inline std::vector<HandMadeFile> handMadeFiles() {
    const std::string f32 = "\"F32\"";
    const std::string a8 = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    const std::string b8 = R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]})";
    return {
        // Lengths
        {"empty file", "", "0 bytes"},
        {"seven bytes", std::string(7, '\0'), "7 bytes"},
        {"length only", withLength(2, ""), "truncated"},
        {"length beyond file", withLength(1000, "{}"), "truncated"},
        {"length one too many", withLength(3, "{}"), "truncated"},
        {"length above the limit", withLength(100'000'001, "{}"), "limit"},
        {"length 2^63", withLength(std::uint64_t{1} << 63, "{}"), "limit"},
        {"length 2^64-1", withLength(~std::uint64_t{0}, "{}"), "limit"},
        {"length that wraps with 8", withLength(~std::uint64_t{0} - 7, "{}"), "limit"},
        {"length zero", withLength(0, ""), "JSON"},
        {"length zero with data", withLength(0, "{}"), "JSON"},
        {"zip file", std::string("PK\x03\x04\x14\x00\x08\x08\x00\x00\x00\x00", 12), "limit"},
        {"git-lfs pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "limit"},
        // JSON
        {"header not JSON", safetensorsFile("hello!", 0), "JSON"},
        {"header cut", safetensorsFile("{" + a8, 8), "JSON"},
        {"header is an array", safetensorsFile("[]", 0), "array"},
        {"header is a number", safetensorsFile("7", 0), "number"},
        {"header is null", safetensorsFile("null", 0), "null"},
        {"two documents", safetensorsFile("{" + a8 + "}{}", 8), "JSON"},
        {"comment", safetensorsFile("{/**/" + a8 + "}", 8), "JSON"},
        {"trailing comma", safetensorsFile("{" + a8 + ",}", 8), "JSON"},
        {"broken UTF-8 in a name",
         safetensorsFile("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "JSON"},
        {"NUL byte in the header", safetensorsFile(std::string("{\0}", 3), 0), "JSON"},
        {"deep array as header", safetensorsFile(nested(100'000), 0), "array"},
        {"deep array as extra key",
         safetensorsFile(
             "{\"a\":{\"x\":" + nested(100'000) + ",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8),
         "deep"},
        {"deep array as shape", oneTensor(f32, nested(100'000), "[0,8]", 8), "array"},
        // Entries
        {"entry is a number", safetensorsFile(R"({"a":1})", 0), "number"},
        {"entry is null", safetensorsFile(R"({"a":null})", 0), "null"},
        {"entry is empty", safetensorsFile(R"({"a":{}})", 0), "needs dtype"},
        {"no dtype", safetensorsFile(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), "needs dtype"},
        {"no shape", safetensorsFile(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8), "needs dtype"},
        {"no offsets", safetensorsFile(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "needs dtype"},
        {"unknown dtype", oneTensor("\"F31\"", "[2]", "[0,8]", 8), "unknown dtype"},
        {"dtype in lower case", oneTensor("\"f32\"", "[2]", "[0,8]", 8), "unknown dtype"},
        {"dtype is a number", oneTensor("32", "[2]", "[0,8]", 8), "number"},
        {"C128", oneTensor("\"C128\"", "[1]", "[0,16]", 16), "unknown dtype"},
        {"shape is a number", oneTensor(f32, "2", "[0,8]", 8), "number"},
        {"shape holds a text", oneTensor(f32, "[\"2\"]", "[0,8]", 8), "text"},
        {"shape holds a fraction", oneTensor(f32, "[2.5]", "[0,8]", 8), "whole number"},
        {"shape holds 2.0", oneTensor(f32, "[2.0]", "[0,8]", 8), "whole number"},
        {"negative size", oneTensor(f32, "[-2]", "[0,8]", 8), "whole number"},
        {"two negative sizes", oneTensor(f32, "[-1,-2]", "[0,8]", 8), "whole number"},
        {"size beyond 64 bits", oneTensor(f32, "[18446744073709551618]", "[0,8]", 8), "whole number"},
        {"shape in an array", oneTensor(f32, "[[2]]", "[0,8]", 8), "array"},
        {"product overflows to the right size", oneTensor(f32, "[4611686018427387904,4,2]", "[0,8]", 8), "overflow"},
        {"product overflows to 0", oneTensor(f32, "[4294967296,4294967296]", "[0,0]", 0), "overflow"},
        {"overflow hidden by a 0", oneTensor(f32, "[4294967296,4294967296,0]", "[0,0]", 0), "overflow"},
        {"terabytes in 8 bytes", oneTensor(f32, "[1099511627776]", "[0,8]", 8), "bytes"},
        {"shape too small for offsets", oneTensor(f32, "[1]", "[0,8]", 8), "bytes"},
        {"one offset", oneTensor(f32, "[2]", "[0]", 8), "data_offsets"},
        {"three offsets", oneTensor(f32, "[2]", "[0,8,8]", 8), "more than two"},
        {"negative offset", oneTensor(f32, "[2]", "[-8,0]", 8), "whole number"},
        {"end before begin", oneTensor(f32, "[2]", "[8,0]", 8), "before it begins"},
        {"offsets as text", oneTensor(f32, "[2]", "[\"0\",\"8\"]", 8), "text"},
        {"offset beyond 64 bits", oneTensor(f32, "[2]", "[0,99999999999999999999]", 8), "whole number"},
        {"half a byte", oneTensor("\"F4\"", "[1]", "[0,1]", 1), "whole byte"},
        // Coverage
        {"hole at the start", oneTensor(f32, "[2]", "[8,16]", 16), "belong to no tensor"},
        {"hole between", safetensorsFile("{" + a8 + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}})", 20),
         "belong to no tensor"},
        {"overlap", safetensorsFile("{" + a8 + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12),
         "overlaps"},
        {"same bytes twice", safetensorsFile("{" + a8 + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
         "overlaps"},
        {"trailing bytes", safetensorsFile("{" + a8 + "}", 9), "belong to no tensor"},
        {"hidden archive after the data", safetensorsFile("{" + a8 + "}", 8) + "PK\x05\x06", "belong to no tensor"},
        {"one byte missing", safetensorsFile("{" + a8 + "," + b8 + "}", 15), "truncated"},
        {"all data missing", safetensorsFile("{" + a8 + "," + b8 + "}", 0), "truncated"},
        {"data without tensors", safetensorsFile("{}", 4), "belong to no tensor"},
        // Names
        {"doubled name", safetensorsFile("{" + a8 + R"(,"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 16),
         "twice"},
        {"doubled name, last one covers", safetensorsFile("{" + a8 + "," + a8 + "}", 8), "twice", Library::Accepts},
        {"doubled metadata", safetensorsFile(R"({"__metadata__":{},"__metadata__":{},)" + a8 + "}", 8), "twice"},
        {"doubled metadata key", safetensorsFile(R"({"__metadata__":{"k":"1","k":"2"},)" + a8 + "}", 8), "twice",
         Library::Accepts},
        {"doubled key in an entry",
         safetensorsFile(R"({"a":{"dtype":"F16","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8), "twice"},
        {"metadata is a text", safetensorsFile(R"({"__metadata__":"x",)" + a8 + "}", 8), "text"},
        {"metadata holds a number", safetensorsFile(R"({"__metadata__":{"k":1},)" + a8 + "}", 8), "__metadata__"},
        {"metadata holds an object", safetensorsFile(R"({"__metadata__":{"k":{}},)" + a8 + "}", 8), "__metadata__"},
        {"seventeen dimensions", oneTensor(f32, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]", 8), "dimensions",
         Library::Accepts},
        // Odd, but sound
        {"empty object", safetensorsFile("{}", 0), nullptr},
        {"only metadata", safetensorsFile(R"({"__metadata__":{"format":"pt"}})", 0), nullptr},
        {"one tensor", safetensorsFile("{" + a8 + "}", 8), nullptr},
        {"two tensors, last first", safetensorsFile("{" + b8 + "," + a8 + "}", 16), nullptr},
        {"leading space", safetensorsFile(" {" + a8 + "}", 8), nullptr},
        {"padding", safetensorsFile("{" + a8 + "}     ", 8), nullptr},
        {"trailing newline", safetensorsFile("{" + a8 + "}\n", 8), nullptr},
        {"scalar", oneTensor(f32, "[]", "[0,4]", 4), nullptr},
        {"size 0", oneTensor(f32, "[0]", "[0,0]", 0), nullptr},
        {"size 0 among others", oneTensor(f32, "[3,0,5]", "[0,0]", 0), nullptr},
        {"empty name", safetensorsFile(R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8), nullptr},
        {"extra key",
         safetensorsFile(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"note":[1,{"x":null}]}})", 8),
         nullptr},
        {"two halves of a byte", oneTensor("\"F4\"", "[2]", "[0,1]", 1), nullptr},
        {"float8", oneTensor("\"F8_E4M3\"", "[3]", "[0,3]", 3), nullptr},
        {"escaped name", safetensorsFile(R"({"\u00e9\n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
         nullptr},
    };
}

} // namespace crest::test
