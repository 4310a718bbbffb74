// SPDX-License-Identifier: Apache-2.0
// Hostile and broken files of torch.save: every way known to make a reader of pickles run something, and every way to
// make one read or allocate what it should not. Each must be refused by the rule it breaks.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/core/io/make_torch_file.h"

namespace crest::test {

struct HostileFile {
    std::string name, bytes;
    std::string part; ///< of the message
};

/// Calls of everything that published exploits of pickles call.
inline std::vector<HostileFile> exploits() {
    const std::pair<const char*, const char*> names[] = {
        {"os", "system"},
        {"posix", "system"},
        {"nt", "system"},
        {"os", "popen"},
        {"os", "execv"},
        {"builtins", "eval"},
        {"builtins", "exec"},
        {"__builtin__", "eval"},
        {"__builtin__", "getattr"},
        {"builtins", "__import__"},
        {"builtins", "open"},
        {"builtins", "compile"},
        {"subprocess", "Popen"},
        {"subprocess", "check_output"},
        {"importlib", "import_module"},
        {"runpy", "_run_code"},
        {"pty", "spawn"},
        {"webbrowser", "open"},
        {"socket", "create_connection"},
        {"shutil", "rmtree"},
        {"ctypes", "CDLL"},
        {"timeit", "timeit"},
        {"pdb", "run"},
        {"code", "InteractiveInterpreter"},
        {"functools", "partial"},
        {"operator", "attrgetter"},
        {"pickle", "loads"},
        {"marshal", "loads"},
        {"types", "CodeType"},
        {"copyreg", "_reconstructor"},
        {"copy_reg", "add_extension"},
        {"_io", "FileIO"},
        {"_codecs", "decode"},
        {"numpy.core.multiarray", "_reconstruct"},
        {"numpy.f2py.crackfortran", "myeval"},
        {"torch", "load"},
        {"torch.hub", "load"},
        {"torch.jit", "load"},
        {"torch.storage", "_load_from_bytes"},
        {"torch._utils", "_rebuild_qtensor"},
        {"torch._utils", "os.system"},
        {"torch.serialization", "os.system"},
        {"torch.utils.collect_env", "run"},
        {"torch._dynamo.guards", "GuardBuilder.get"},
        {"torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"},
        {"collections", "OrderedDict.fromkeys"},
        {"collections", "../os"},
        {"", "system"},
        {"OS", "system"},
        {"argparse", "Namespace"},
    };
    std::vector<HostileFile> out;
    for (const auto& [module, name] : names)
        out.push_back({std::string("calls ") + module + " " + name,
                       torchFile(kProto + global(module, name) + "(" + text("touch pwned") + "tR."),
                       "it asks for \"" + std::string(module) + "\" \"" + name + "\", which no file of weights needs"});
    return out;
}

/// Opcodes that torch.save never writes, and known ones where they make no sense.
inline std::vector<HostileFile> opcodes() {
    const auto file = [](const std::string& rest) { return torchFile(kProto + rest); };
    const std::string dict = global("collections", "OrderedDict"), os = text("os") + text("../../system");
    std::vector<HostileFile> out;
    const std::pair<const char*, std::string> unknown[] = {
        {"INST", "(" + text("id") + "ios\nsystem\n."},
        {"OBJ", "(" + dict + "o."},
        {"EXT1", "\x82\x01."},
        {"EXT2", std::string("\x83\x01\x00.", 4)},
        {"EXT4", std::string("\x84\x01\x00\x00\x00.", 6)},
        {"STACK_GLOBAL", os + "\x93)R."},
        {"NEWOBJ_EX", dict + ")}\x92."},
        {"PERSID", "Pos.system\n."},
        {"STRING", "S'id'\n."},
        {"UNICODE", "Vid\n."},
        {"INT", "I1\n."},
        {"LONG", "L1L\n."},
        {"FLOAT", "F1\n."},
        {"GET", "g0\n."},
        {"PUT", "Np0\n."},
        {"POP", "N0."},
        {"POP_MARK", "(1."},
        {"DUP", "N2."},
        {"DICT", "(d."},
        {"LIST", "(l."},
        {"BINSTRING", "T" + raw(std::uint32_t{0xffffffff}) + "."},
        {"LONG4", "\x8b" + raw(std::int32_t{0x7fffffff}) + "."},
        {"BINBYTES", "B" + raw(std::uint32_t{0xffffffff}) + "."},
        {"BINBYTES8", "\x8e" + raw(~std::uint64_t{0}) + "."},
        {"BINUNICODE8", "\x8d" + raw(~std::uint64_t{0}) + "."},
        {"BYTEARRAY8", "\x96" + raw(std::uint64_t{1} << 62) + "."},
        {"FRAME", "\x95" + raw(std::uint64_t{1} << 62) + "."},
        {"MEMOIZE", "N\x94."},
        {"EMPTY_SET", "\x8f."},
        {"NEXT_BUFFER", "\x97."},
        {"PROTO", kProto + "N."},
        {"unknown opcode", "\xff."},
    };
    for (const auto& [name, rest] : unknown)
        out.push_back(
            {std::string("opcode ") + name, file(rest),
             "it has an opcode that torch.save does not write; nothing was run (opcode " + std::string(name)});
    const std::vector<HostileFile> misused = {
        {"calls a text", file(text("os.system") + ")R."), "a call needs a name, there is a text (opcode REDUCE"},
        {"calls a type", file(global("torch", "FloatStorage") + ")R."), "FloatStorage is called"},
        {"calls a dtype", file(global("torch", "float32") + ")R."), "float32 is called"},
        {"arguments are a list", file(dict + "]R."), "the arguments of a call are a list"},
        {"OrderedDict of a text", file(dict + text("x") + "\x85R."), "is given 1 arguments"},
        {"makes a set", file(global("__builtin__", "set") + ")\x81."), "an object of __builtin__ set is made"},
        {"BUILD of a list", file("]}b."), "needs a dict, there is a list (opcode BUILD"},
        {"BUILD of a plain dict", file("}}b."), "only an OrderedDict has"},
        {"BUILD with slots",
         file(dict + ")RN}\x86"
                     "b."),
         "only an OrderedDict has"},
        {"BUILD of a tensor", torchFile(kProto + tensor() + "}b."), "needs a dict, there is a tensor"},
        {"a class as value", torchFile(dictOf(dict)), "collections OrderedDict stands where a value must be"},
        {"SETITEM in a list", file("]" + text("a") + "Ns."), "needs a dict, there is a list (opcode SETITEM"},
        {"SETITEMS without value", file("}(" + text("a") + "u."), "a key has no value"},
        {"APPEND to a tuple", file(")Na."), "needs a list, there is a tuple (opcode APPEND"},
        {"takes below the mark", file("N(\x85."), "a value is missing on its stack (opcode TUPLE1"},
        {"takes from nothing", file("R."), "a value is missing on its stack (opcode REDUCE"},
        {"tuple without mark", file("t."), "a mark is missing"},
        {"memo never filled", file("h\x07."), "memo 7 was never filled (opcode BINGET at byte 2"},
        {"memo far away", file("Nr" + raw(std::uint32_t{0x7fffffff}) + "."), "need more than 20 MB"},
        {"memo of nothing", file(std::string("q\0.", 3)), "a value is missing"},
        {"nothing at the end", file("."), "does not end with one value"},
        {"two values at the end", file("NN."), "does not end with one value"},
        {"open mark at the end", file("N(."), "does not end with one value"},
        {"bytes after the end", file("N.cos\nsystem\n)R."), "14 bytes follow its end"},
        {"no STOP", file("N"), "it has no end"},
        {"no PROTO", torchFile("(lp0\n."), "does not begin with the opcode PROTO"},
        {"empty pickle", torchFile(""), "does not begin with the opcode PROTO"},
        {"protocol 0", torchFile(std::string("\x80\x00N.", 4)), "it is of protocol 0"},
        {"protocol 5", torchFile("\x80\x05N."), "it is of protocol 5"},
        {"huge text", file("X" + raw(std::uint32_t{0xffffffff}) + "a."), "a text of 4294967295 bytes"},
        {"text behind the end", file("X" + raw(std::uint32_t{1000}) + "a."), "1000 bytes are announced, 2 are left"},
        {"text not UTF-8", torchFile(dictOf(text("\xc0\xaf"))), "a text is not UTF-8"},
        {"surrogate", torchFile(dictOf(text("\xed\xa0\x80"))), "a text is not UTF-8"},
        {"beyond Unicode", torchFile(dictOf(text("\xf4\x90\x80\x80"))), "a text is not UTF-8"},
        {"byte string", torchFile(dictOf("U\x01\xff")), "a byte string is not ASCII"},
        {"huge LONG1", torchFile(dictOf("\x8a\xff" + std::string(255, '\x7f'))), "more than 64 bits"},
        {"name without end", file("c" + std::string(1000, 'o')), "a name has no end within 128 bytes"},
        {"half a number", file("J\x01"), "4 bytes are announced, 1 are left"},
        {"key is None", torchFile(kProto + "}NNs."), "the key of a dict is None"},
        {"key twice", torchFile(kProto + "}(" + text("a") + "N" + text("a") + "Nu."), "the key \"a\" occurs twice"},
        {"number and text as key", torchFile(kProto + "}(" + text("1") + "N" + number(1) + "Nu."), "occurs twice"},
        {"huge key", torchFile(kProto + "}" + text(std::string(600, 'k')) + "Ns."), "the key of a dict has 600 bytes"},
        {"contains itself",
         file("]q\x01h\x01"
              "a."),
         "contain themselves"},
        {"dict contains itself", file("}q\x01(" + text("a") + "h\x01u."), "contain themselves"},
        {"40 lists deep", file(std::string(40, ']') + std::string(39, 'a') + "."), "nested more than 32 deep"},
        {"65 marks", file(std::string(65, '(') + "N."), "more than 64 marks"},
        {"tall stack", file(std::string(100'001, 'N') + "."), "more than 100000 values wait"},
    };
    out.insert(out.end(), misused.begin(), misused.end());
    return out;
}

/// Storages and tensors that reach where they must not.
inline std::vector<HostileFile> tensors() {
    const std::string floats = global("torch", "FloatStorage");
    const auto id = [&](const std::string& tuple) { return torchFile(dictOf(tuple + "Q")); };
    const auto stored = [&](const std::string& type, const std::string& key, std::int64_t elements) {
        return torchFile(dictOf(tensor(storageId(type, key, elements) + "Q")));
    };
    const auto shaped = [&](std::int64_t offset, const std::vector<std::int64_t>& shape,
                            const std::vector<std::int64_t>& strides) {
        return torchFile(dictOf(tensor(storageId() + "Q", offset, tuple(shape), tuple(strides))));
    };
    const auto called = [&](const std::string& name, const std::string& arguments) {
        return torchFile(dictOf(global("torch._utils", name) + "(" + arguments + "tR"));
    };
    const std::string storage = storageId() + "Q", tail = number(0) + tuple({2, 3}) + tuple({3, 1});
    const std::string untyped = storageId(global("torch.storage", "UntypedStorage"), "0", 24) + "Q";
    const std::int64_t huge = std::int64_t{1} << 62;
    return {
        {"id is a text", id(text("os.system")), "must be a tuple of 5 items, it is a text"},
        {"id of 4 items", id("(" + text("storage") + floats + text("0") + text("cpu") + "t"), "it is a tuple of 4"},
        {"id of 6 items", id("(" + text("storage") + floats + text("0") + text("cpu") + number(6) + "Nt"),
         "tuple of 6"},
        {"id of a module", id("(" + text("module") + floats + text("0") + text("cpu") + number(6) + "t"),
         "is no storage"},
        {"type is a dtype", id(storageId(global("torch", "float32"))), "torch float32 is no type of storage"},
        {"type is a function", id(storageId(global("torch._utils", "_rebuild_tensor_v2"))), "is no type of storage"},
        {"type is a text", id(storageId(text("FloatStorage"))), "the type of a storage must be a name"},
        {"unknown type", id(storageId(global("torch", "QInt8Storage"))), "it asks for \"torch\" \"QInt8Storage\""},
        {"key leads out", id(storageId(floats, "../data.pkl")), "key of a storage is no short number"},
        {"key is absolute", id(storageId(floats, "/etc/passwd")), "key of a storage is no short number"},
        {"key with NUL", id(storageId(floats, std::string("0\0", 2))), "key of a storage is no short number"},
        {"key is empty", id(storageId(floats, "")), "key of a storage is no short number"},
        {"no such storage", stored(floats, "1", 6), "the storage data/1 is missing"},
        {"storage larger than member", stored(floats, "0", 7), "should have 28 bytes, it has 24"},
        {"storage smaller than member",
         torchFile(dictOf(tensor(storageId(floats, "0", 5) + "Q", 0, tuple({5}), tuple({1})))),
         "should have 20 bytes, it has 24"},
        {"storage of other type", stored(global("torch", "DoubleStorage"), "0", 6), "should have 48 bytes"},
        {"storage negative", stored(floats, "0", -6), "the size of a storage is negative"},
        {"storage overflows", stored(floats, "0", huge), "the size of a storage overflows"},
        {"storage twice", torchFile(kProto + "(" + storageId() + "Q" + storageId(floats, "0", 3) + "Qt."),
         "declared twice with different types or sizes"},
        {"storage of two types",
         torchFile(kProto + "(" + storageId() + "Q" + storageId(global("torch", "IntStorage")) + "Qt."),
         "declared twice"},
        {"offset negative", shaped(-1, {2, 3}, {3, 1}), "the offset of a tensor is negative (-1)"},
        {"offset too far", shaped(1, {2, 3}, {3, 1}), "reaches to byte 28 of a storage of 24"},
        {"offset huge", shaped(huge, {1}, {1}), "overflow 64 bits"},
        {"empty far away", shaped(7, {0, 3}, {3, 1}), "reaches to byte 28"},
        {"size negative", shaped(0, {-2, 3}, {3, 1}), "a size in a shape is negative (-2)"},
        {"sizes of 2^62", shaped(0, {huge, huge}, {0, 0}), "overflow 64 bits"},
        {"size of 2^63",
         torchFile(dictOf(tensor(storage, 0, "\x8a\x09" + std::string(7, '\0') + "\x80" + '\0' + "\x85", tuple({1})))),
         "more than 64 bits"},
        {"sizes with a zero overflow", shaped(0, {huge, 8, 0}, {0, 0, 1}), "overflow 64 bits"},
        {"one more row", shaped(0, {3, 3}, {3, 1}), "reaches to byte 36"},
        {"stride negative", shaped(5, {2, 3}, {-3, 1}), "a stride is negative (-3)"},
        {"stride overflows", shaped(0, {3, 3}, {huge, huge}), "overflow 64 bits"},
        {"stride too wide", shaped(0, {2, 3}, {4, 1}), "reaches to byte 28"},
        {"expanded to a terabyte", shaped(0, {std::int64_t{1} << 38}, {0}), "repeats elements of its storage"},
        {"expanded a little", shaped(0, {7}, {0}), "repeats elements of its storage"},
        {"rank differs", shaped(0, {2, 3}, {1}), "a tensor has 2 sizes and 1 strides"},
        {"17 dimensions", shaped(0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1)),
         "more than 16 dimensions"},
        {"shape of texts", torchFile(dictOf(tensor(storage, 0, text("2") + "\x85", tuple({1})))),
         "a size in a shape must be a whole number, it is a text"},
        {"shape is a list", torchFile(dictOf(tensor(storage, 0, "](" + number(6) + "e", tuple({1})))),
         "a shape must be a tuple, it is a list"},
        {"views a text", torchFile(dictOf(tensor(text("0")))), "what a tensor views must be a storage, it is a text"},
        {"views a tensor", torchFile(dictOf(tensor(tensor()))), "must be a storage, it is a tensor"},
        {"too few arguments", called("_rebuild_tensor_v2", storage + tail), "is given 4 arguments"},
        {"too many arguments", called("_rebuild_tensor_v2", storage + tail + "\x89" + hooks() + "NNN"), "9 arguments"},
        {"with hooks", called("_rebuild_tensor_v2", storage + tail + "\x89" + hooks() + text("h") + "Ns"),
         "carries hooks"},
        {"hooks are a list", called("_rebuild_tensor_v2", storage + tail + "\x89]"), "carries hooks"},
        {"with metadata", called("_rebuild_tensor_v2", storage + tail + "\x89N}" + text("neg") + "\x88s"),
         "carries metadata"},
        {"untyped without dtype", called("_rebuild_tensor_v2", untyped + tail + "\x89N"), "views an untyped storage"},
        {"dtype is a text", called("_rebuild_tensor_v3", untyped + tail + "\x89N" + text("float32")), "must be a name"},
        {"dtype is a type", called("_rebuild_tensor_v3", untyped + tail + "\x89N" + floats), "is no dtype"},
        {"wider dtype", called("_rebuild_tensor_v3", untyped + tail + "\x89N" + global("torch", "float64")),
         "reaches to byte 48 of a storage of 24"},
        {"parameter of a text", called("_rebuild_parameter", text("x") + "\x88N"),
         "a parameter wraps must be a tensor"},
    };
}

/// Zip files that are none, or that mean two things.
inline std::vector<HostileFile> archives() {
    const std::string pickle = dictOf(tensor()), sound = torchFile(pickle);
    const auto named = [&](const std::string& name) {
        return changedFile([&](auto& parts) { parts.push_back({name, "x"}); });
    };
    const auto patched = [&](const std::string& mark, std::size_t at, const std::string& bytes) {
        std::string out = sound;
        return out.replace(out.find(mark) + at, bytes.size(), bytes);
    };
    const std::string central = "PK\x01\x02", local = "PK\x03\x04", end = "PK\x05\x06";
    // The sizes of the first member, in the local header and in the directory, made to say something else.
    const auto resized = [&](std::string file, std::size_t size) {
        for (const auto& [record, at] : {std::pair(local, 18u), std::pair(central, 20u)})
            file.replace(file.find(record) + at, 8,
                         raw(static_cast<std::uint32_t>(size)) + raw(static_cast<std::uint32_t>(size)));
        return file;
    };
    const std::string withHole = resized(changedFile([](auto& parts) { parts[0].data += "HIDDEN!"; }), pickle.size());
    const std::size_t secondMember = 30 + std::string("archive/byteorder").size() + std::string("little").size();
    const std::string safetensors = raw(std::uint64_t{2}) + "{}";
    return {
        {"empty", "", "it is empty"},
        {"one byte", "P", "it is no zip file"},
        {"only a beginning", "PK\x03\x04", "it has 4 bytes, too few for an end record"},
        {"only an end", std::string("PK\x05\x06") + std::string(18, '\0'), "it is no zip file"},
        {"a safetensors file", safetensors, "it is no zip file"},
        {"git-lfs pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"},
        {"before torch 1.6", std::string("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", 20),
         "torch.save(torch.load("},
        {"bytes appended", sound + "#!/bin/sh", "its last 22 bytes are no end record"},
        {"comment", torchFile(pickle, {.comment = "hello"}), "its last 22 bytes are no end record"},
        {"comment with an end record", torchFile(pickle, {.comment = sound.substr(sound.size() - 22)}),
         "does not end at its end record"},
        {"two files in a row", sound + sound, "does not end at its end record"},
        {"two end records", sound + sound.substr(sound.size() - 22), "does not end at its end record"},
        {"bytes in front", "PK\x03\x04#!/bin/sh" + sound, "does not end at its end record"},
        {"comment promised", patched(end, 20, raw(std::uint16_t{1})), "a comment that is not there"},
        {"several parts", torchFile(pickle, {.disk = 1}), "one of several parts"},
        {"a member too many", torchFile(pickle, {.moreMembers = 1}), "its directory is cut off"},
        {"a member too few", torchFile(pickle, {.moreMembers = -1}), "more than its 3 members need"},
        {"directory moved", torchFile(pickle, {.moreOffset = 4}), "does not end at its end record"},
        {"directory shorter", torchFile(pickle, {.moreSize = -4, .moreOffset = 4}), "has no signature"},
        {"directory behind the end", torchFile(pickle, {.moreOffset = 0x7fff0000}), "does not end at its end record"},
        {"zip64 of other size", torchFile(pickle, {.zip64 = true, .zip64Members = 5}), "contradict each other"},
        {"zip64 elsewhere", torchFile(pickle, {.zip64 = true, .zip64Moved = -8}), "zip64 end record is not where"},
        {"leads out", named("archive/../../.ssh/authorized_keys"), "leads out of the archive"},
        {"leads out at once", named("../pwned"), "leads out of the archive"},
        {"absolute", named("/etc/cron.d/pwned"), "is an absolute path"},
        {"drive", named("archive/c:pwned"), "is an absolute path or one of another system"},
        {"backslash", named("archive\\..\\pwned"), "is an absolute path or one of another system"},
        {"double slash", named("archive//data.pkl"), "leads out of the archive or names a folder"},
        {"dot", named("archive/./data.pkl"), "leads out of the archive or names a folder"},
        {"folder", named("archive/data/"), "leads out of the archive or names a folder"},
        {"NUL in a name", named(std::string("archive/data.pkl\0.txt", 21)), "has control characters"},
        {"line break in a name", named("archive/a\nb"), "has control characters"},
        {"empty name", named(""), "is empty or too long"},
        {"long name", named("archive/" + std::string(600, 'n')), "is empty or too long"},
        {"name twice", named("archive/data.pkl"), "occurs twice"},
        {"overlapping", resized(sound, pickle.size() + secondMember), "overlaps the member before it"},
        {"local name differs", changedFile([](auto& parts) { parts[0].localName = "archive/good.pkl"; }),
         "contradicts the directory"},
        {"local size differs", patched(local, 22, raw(std::uint32_t{5})), "contradicts the directory"},
        {"local method differs", patched(local, 8, raw(std::uint16_t{8})), "contradicts the directory"},
        {"two sizes", patched(central, 20, raw(std::uint32_t{5})), "has two sizes"},
        {"member into the directory", resized(sound, 0x00ffffff), "reaches into the directory"},
        {"member behind the end", patched(central, 42, raw(std::uint32_t{0x7fffffff})), "begins behind the directory"},
        {"member where none is", patched(central, 42, raw(std::uint32_t{1})), "no local header"},
        {"compressed bomb", changedFile([](auto& parts) { parts[0].method = 8; }), "is compressed (method 8)"},
        {"bzip2", changedFile([](auto& parts) { parts[2].method = 12; }), "is compressed (method 12)"},
        {"encrypted", changedFile([](auto& parts) { parts[0].flags = 1; }), "is encrypted or has unknown flags"},
        {"damaged extra field", changedFile([](auto& parts) { parts[1].extra = "\x01"; }), "extra fields"},
        {"extra field too long", changedFile([](auto& parts) { parts[1].extra = std::string("\x01\0\xff\0", 4); }),
         "extra fields"},
        {"bytes between members", withHole, "7 bytes before member \"archive/byteorder\" belong to no member"},
        {"wrong CRC of the pickle", patched("FloatStorage", 0, "IntStorage\nx"), "the CRC of member"},
        {"two folders", named("other/data.pkl"), "in more than one folder"},
        {"no folder", zipFile({{"data.pkl", pickle}, {"version", "3\n"}}), "are not in a folder"},
        {"no members", std::string(zipFile({})), "it is no zip file"},
        {"no pickle", changedFile([](auto& parts) { parts.erase(parts.begin()); }), "\"data.pkl\" is missing"},
        {"no version", changedFile([](auto& parts) { parts.pop_back(); }), "\"version\" is missing"},
        {"version 11", changedFile([](auto& parts) { parts[3].data = "11\n"; }), "is not among 1 to 10"},
        {"version 0", changedFile([](auto& parts) { parts[3].data = "0"; }), "is not among 1 to 10"},
        {"version is a text", changedFile([](auto& parts) { parts[3].data = "three"; }), "is not among 1 to 10"},
        {"long version", changedFile([](auto& parts) { parts[3].data = std::string(100, '3'); }),
         "at most 64 are read"},
        {"big-endian", changedFile([](auto& parts) { parts[1].data = "big"; }), "not little-endian"},
        {"TorchScript", changedFile([](auto& parts) {
             parts.push_back({"archive/code/model.py", "import os"});
         }),
         "TorchScript program, which is never run"},
        {"constants of TorchScript", named("archive/constants.pkl"), "TorchScript program, which is never run"},
    };
}

} // namespace crest::test
