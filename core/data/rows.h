// SPDX-License-Identifier: Apache-2.0
// Rows of data files as small JSON objects, one after the other: JSON lines and arrays, CSV and TSV, plain text,
// Parquet, each also compressed or inside an archive. Streams: memory is bounded by the longest row allowed (16 MB),
// not by the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/json.h"
#include "core/base/result.h"

namespace crest::data {

enum class RowFormat {
    ByName,        ///< .json .jsonl .ndjson, .csv, .tsv, .parquet, all else Lines; a .gz behind is taken off
    JsonRows,      ///< one object a line, or one array of objects: the first character tells
    Csv,           ///< RFC 4180; values are texts
    Tsv,           ///< tabs, no quotation marks; values are texts
    Lines,         ///< every line that is not blank is a row {"text": line}
    Paragraphs,    ///< {"text": paragraph}: blank lines separate
    WholeFile,     ///< one row {"text": file}
    WikitextPages, ///< wiki.*.raw cut before each heading of the first level, as wikitext_document_level is: {"page":
                   ///< ..}
    Parquet
};

struct RowOptions {
    RowFormat format = RowFormat::ByName;
    std::vector<std::string> header; ///< names of the columns where the table's first line has none
};

/// A file, or a member of an archive.
struct DataFile {
    std::filesystem::path path;
    std::string member; ///< "" for the file itself
    std::string name() const { return member.empty() ? path.string() : path.string() + "!" + member; }
    bool operator==(const DataFile&) const = default;
};

/// Gets each row with its number (line of JSON lines and tables, else element; from 1), or why that row cannot be used.
/// False ends the reading, an error ends it and is handed on.
using RowVisitor = std::function<Result<bool>(std::int64_t number, Result<Json> row)>;

/// Malformed where the file as a whole is not in its format, Unsupported where this build cannot read it (Parquet).
Result<void> readRows(const DataFile& file, const RowOptions& options, const RowVisitor& visit,
                      const JobContext& job = {});
/// The same of bytes in memory (not Parquet). `name` decides a format ByName.
Result<void> decodeRows(std::string_view content, const std::string& name, const RowOptions& options,
                        const RowVisitor& visit);

/// True where this build and installation can read Parquet.
bool canReadParquet();

} // namespace crest::data
