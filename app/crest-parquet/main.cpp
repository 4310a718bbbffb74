// SPDX-License-Identifier: Apache-2.0
// Helper program: the Parquet file on standard input as one JSON object a line on standard output. It runs with limits
// and closed doors (core/io/limited_process.h), because Parquet is read by a large library of others. A row that cannot
// be written as JSON becomes a line "! why".
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include "arrow_json.h"
#include "core/io/limited_process.h"

namespace {

using crest::ErrorKind;
using crest::Json;
using crest::Result;

constexpr std::int64_t kRowsAtOnce = 128;
constexpr std::size_t kBlock = 60'000;

tl::unexpected<crest::Error> refused(const arrow::Status& status) {
    const bool memory = status.IsOutOfMemory();
    return crest::fail(memory ? ErrorKind::OutOfRange : ErrorKind::Malformed,
                       memory ? "its row groups need more memory than is given"
                              : "no readable Parquet: " + status.message());
}

Result<void> writeAll(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t count = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return crest::fail(ErrorKind::Io, "nobody takes the rows any more");
        at += static_cast<std::size_t>(count);
    }
    text.clear();
    return {};
}

Result<void> writeBatch(const arrow::RecordBatch& batch, std::string& text) {
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
        Json object = Json::object();
        std::string problem;
        for (int column = 0; column < batch.num_columns() && problem.empty(); ++column) {
            auto value = crest::parquet::jsonOf(*batch.column(column), row);
            if (value)
                object[batch.column_name(column)] = std::move(*value);
            else
                problem = "column \"" + batch.column_name(column) + "\": " + value.error().message;
        }
        try {
            text += problem.empty() ? object.dump() : "! " + problem;
        } catch (const Json::exception&) {
            text += "! a text that is no UTF-8";
        }
        text += '\n';
        if (text.size() > kBlock)
            CREST_CHECK(writeAll(text));
    }
    return {};
}

Result<void> convert() {
    auto file = arrow::io::ReadableFile::Open(STDIN_FILENO);
    if (!file.ok())
        return refused(file.status());
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_batch_size(kRowsAtOnce);
    properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    if (const arrow::Status opened = builder.Open(*file); !opened.ok())
        return refused(opened);
    auto reader = builder.memory_pool(arrow::system_memory_pool())->properties(properties)->Build();
    if (!reader.ok())
        return refused(reader.status());
    auto batches = (*reader)->GetRecordBatchReader();
    if (!batches.ok())
        return refused(batches.status());
    std::string text;
    while (true) {
        std::shared_ptr<arrow::RecordBatch> batch;
        if (const arrow::Status read = (*batches)->ReadNext(&batch); !read.ok())
            return refused(read);
        if (!batch)
            return writeAll(text);
        CREST_CHECK(writeBatch(*batch, text));
    }
}

} // namespace

int main() {
    return crest::io::helperMain([]() -> Result<void> {
        try {
            return convert();
        } catch (const parquet::ParquetException& problem) {
            return crest::fail(ErrorKind::Malformed, std::string("no readable Parquet: ") + problem.what());
        }
    });
}
