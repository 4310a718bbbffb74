// SPDX-License-Identifier: Apache-2.0
// results.h5 as rows and back (layout: core/study/README.md). Publishing as such is publishResults (results.h).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/hdf5.h"
#include "core/study/line_tail.h"
#include "core/study/types.h"

namespace crest::study {

/// Raised when results.h5 changes so that an older Crest would misread it. 2: items of suite tasks.
inline constexpr int kResultsFormat = 2;

struct PublishedResults {
    std::vector<ResultRow> rows;
    std::map<std::string, LinePosition> reach; ///< how far into each journal (by file name) `rows` go
};

Result<PublishedResults> readPublished(const std::filesystem::path& file);

/// Writes the whole file at `file`, which must not be the published one itself. `runs`: provenance (JSON text) by run
/// id. Rows are sorted first. After an error the process should end without further HDF5 calls (core/io/hdf5.h).
Result<void> writePublished(const std::filesystem::path& file, PublishedResults results,
                            const std::map<std::string, std::string>& runs);

/// The cubes for xarray: one group for each series, modification and task. Used by writePublished.
Result<void> writeCubes(io::Hdf5Writer& file, const std::vector<ResultRow>& rows);

} // namespace crest::study
