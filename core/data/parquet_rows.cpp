// SPDX-License-Identifier: Apache-2.0
// Rows of Parquet come from the helper crest-parquet as JSON lines (app/crest-parquet).
#include "core/data/row_decoder.h"
#include "core/io/limited_process.h"

namespace crest::data {
namespace {

constexpr const char* kHelper = "crest-parquet";

/// A line of the helper: a row, or "! why".
class HelperLines final : public LineDecoder {
public:
    using LineDecoder::LineDecoder;

protected:
    Result<void> line(std::string_view text, std::int64_t number) override {
        if (text.starts_with("! "))
            return give(number, fail(ErrorKind::Malformed, std::string(text.substr(2))));
        return give(number, parseRow(text));
    }
};

} // namespace

bool canReadParquet() {
    return io::helperProgram(kHelper).has_value();
}

Result<void> readParquetRows(const DataFile& file, const RowVisitor& visit, const JobContext& job) {
    if (!file.member.empty())
        return fail(ErrorKind::Unsupported, "Parquet inside an archive cannot be read; unpack the archive",
                    file.name());
    auto program = io::helperProgram(kHelper);
    if (!program)
        return fail(ErrorKind::Unsupported,
                    "Crest was built without Parquet (packaging/setup installs pyarrow for it). Convert the file with: "
                    "python -c \"import pandas; pandas.read_parquet('FILE.parquet').to_json('FILE.jsonl', "
                    "orient='records', lines=True, force_ascii=False)\"",
                    file.name());
    io::LimitedProcess process;
    process.program = *program;
    process.input = file.path;
    // Arrow and what it links take 0.6 GB of addresses; a row group of the largest sets 0.3 GB.
    process.limits.memoryBytes = 3'000'000'000;
    process.limits.processor = std::chrono::seconds(300);
    process.limits.wall = std::chrono::seconds(900);
    process.limits.outputBytes = 64'000'000'000;
    HelperLines lines(visit);
    const auto sink = [&](std::string_view piece) -> Result<void> {
        CREST_CHECK(lines.take(piece));
        return lines.done() ? stopped() : Result<void>();
    };
    auto ran = io::runLimited(process, sink, job);
    if (lines.done())
        return {};
    if (!ran) {
        Error problem = ran.error();
        if (problem.where.empty())
            problem.where = file.name();
        return fail(std::move(problem));
    }
    return lines.finish();
}

} // namespace crest::data
