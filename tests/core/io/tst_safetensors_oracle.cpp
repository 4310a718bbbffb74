// SPDX-License-Identifier: Apache-2.0
// Against the safetensors library of Python: its files read here, ours read there, and its verdict on the hand-made
// files.
#include <QtTest>

#include <fstream>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/files.h"
#include "core/io/safetensors.h"
#include "tests/core/io/hostile_safetensors.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::io;

namespace {

const char* const kWrite = R"(
import hashlib, json, sys, torch
from safetensors.torch import save_file
torch.manual_seed(5)
make = {torch.float32: lambda s: torch.randn(s), torch.float16: lambda s: torch.randn(s).half(),
        torch.bfloat16: lambda s: torch.randn(s).bfloat16(), torch.float64: lambda s: torch.randn(s).double(),
        torch.int64: lambda s: torch.randint(-9, 9, s), torch.int32: lambda s: torch.randint(-9, 9, s).int(),
        torch.int16: lambda s: torch.randint(-9, 9, s).short(), torch.int8: lambda s: torch.randint(-9, 9, s, dtype=torch.int8),
        torch.uint8: lambda s: torch.randint(0, 9, s, dtype=torch.uint8), torch.bool: lambda s: torch.rand(s) < 0.5}
tensors = {f'{str(d)[6:]}.{len(s)}.{i}': f(s) for d, f in make.items() for i, s in enumerate([(), (1,), (0, 3), (5, 7), (2, 3, 4)])}
save_file(tensors, sys.argv[1], metadata={'format': 'pt', 'note': 'ünïcode "x"'})
print(json.dumps({n: {'shape': list(t.shape), 'sha256': hashlib.sha256(t.contiguous().flatten().view(torch.uint8).numpy().tobytes()
      if t.numel() else b'').hexdigest()} for n, t in tensors.items()}))
)";

const char* const kRead = R"(
import hashlib, json, sys, torch
from safetensors import safe_open
out = {}
with safe_open(sys.argv[1], 'pt') as f:
    for n in f.keys():
        t = f.get_tensor(n)
        out[n] = {'shape': list(t.shape), 'dtype': str(t.dtype),
                  'sha256': hashlib.sha256(t.contiguous().flatten().view(torch.uint8).numpy().tobytes() if t.numel() else b'').hexdigest()}
    print(json.dumps({'tensors': out, 'metadata': f.metadata()}))
)";

const char* const kJudge = R"(
import json, os, sys
from safetensors import safe_open
out = {}
for n in os.listdir(sys.argv[1]):
    try:
        with safe_open(os.path.join(sys.argv[1], n), 'pt') as f:
            list(f.keys())
        out[n] = True
    except Exception:
        out[n] = False
print(json.dumps(out))
)";

/// The JSON that a Python program prints of `place`, which is `folder` or below it.
Json python(const char* program, const std::string& place, const QTemporaryDir& folder) {
    const auto printed = test::askPeerOnce({{}, {QString::fromStdString(place)}, folder.path(), {}, QString::fromUtf8(program)});
    if (!printed)
        qWarning("%s", printed.error().text().c_str());
    const auto json = parseJson(printed.value_or(""), "python");
    return json ? *json : Json();
}

} // namespace

class TestSafetensorsOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;
    std::string at(const char* name) const { return m_folder.filePath(name).toStdString(); }

private Q_SLOTS:
    void theirsIsReadHere() {
        const Json truth = python(kWrite, at("theirs.safetensors"), m_folder);
        QVERIFY2(truth.is_object(), "the reference did not run");
        const auto header = readSafetensorsHeader(at("theirs.safetensors"));
        QVERIFY2(header, header ? "" : header.error().text().c_str());
        const auto map = MappedFile::open(at("theirs.safetensors"));
        QVERIFY(map);
        QCOMPARE(header->tensors.size(), truth.size());
        QCOMPARE(truth.size(), std::size_t{50});
        QCOMPARE(header->metadata.at("note"), std::string("ünïcode \"x\""));
        for (const TensorEntry& tensor : header->tensors) {
            QVERIFY2(tensor.dtype != DType::Other, tensor.name.c_str());
            QCOMPARE(Json(tensor.shape), truth[tensor.name]["shape"]);
            const auto bytes = map->bytes().subspan(header->dataStart + tensor.begin, tensor.end - tensor.begin);
            QCOMPARE(Sha256().update(bytes).finishHex(), truth[tensor.name]["sha256"].get<std::string>());
        }
    }
    void oursIsReadThere() {
        std::string bytes(960, '\0');
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<char>(i % 2);
        const auto span = [&](std::size_t size) { return std::as_bytes(std::span(bytes.data(), size)); };
        const std::vector<std::pair<DType, const char*>> types{
            {DType::F32, "torch.float32"}, {DType::F16, "torch.float16"}, {DType::BF16, "torch.bfloat16"},
            {DType::F64, "torch.float64"}, {DType::I64, "torch.int64"},   {DType::I32, "torch.int32"},
            {DType::I16, "torch.int16"},   {DType::I8, "torch.int8"},     {DType::U8, "torch.uint8"},
            {DType::Bool, "torch.bool"}};
        std::vector<TensorToWrite> tensors;
        for (const auto& [type, name] : types) {
            tensors.push_back({std::string(name) + ".matrix", type, {5, 3}, span(15 * dtypeSize(type))});
            tensors.push_back({std::string(name) + ".scalar", type, {}, span(dtypeSize(type))});
            tensors.push_back({std::string(name) + ".empty", type, {0, 2}, {}});
        }
        QVERIFY(writeSafetensors(at("ours.safetensors"), tensors, {{"tokens", "123"}}));
        const Json seen = python(kRead, at("ours.safetensors"), m_folder);
        QVERIFY2(seen.is_object(), "the reference did not run");
        QCOMPARE(seen["metadata"], (Json{{"format", "pt"}, {"tokens", "123"}}));
        QCOMPARE(seen["tensors"].size(), tensors.size());
        for (const TensorToWrite& tensor : tensors) {
            const Json& theirs = seen["tensors"][tensor.name];
            QCOMPARE(Json(tensor.shape), theirs["shape"]);
            QVERIFY(tensor.name.starts_with(theirs["dtype"].get<std::string>()));
            QCOMPARE(Sha256().update(tensor.bytes).finishHex(), theirs["sha256"].get<std::string>());
        }
    }
    void verdictsAgree() {
        const std::string folder = at("verdicts");
        std::filesystem::create_directory(folder);
        const auto files = test::handMadeFiles();
        for (std::size_t i = 0; i < files.size(); ++i)
            std::ofstream(folder + "/" + std::to_string(i), std::ios::binary)
                .write(files[i].bytes.data(), static_cast<std::streamsize>(files[i].bytes.size()));
        const Json verdicts = python(kJudge, folder, m_folder);
        QCOMPARE(verdicts.size(), files.size());
        for (std::size_t i = 0; i < files.size(); ++i) {
            const bool expected = files[i].message == nullptr || files[i].library == test::Library::Accepts;
            QVERIFY2(verdicts[std::to_string(i)].get<bool>() == expected, files[i].name);
        }
    }
};

QTEST_GUILESS_MAIN(TestSafetensorsOracle)
#include "tst_safetensors_oracle.moc"
