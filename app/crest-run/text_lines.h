// SPDX-License-Identifier: Apache-2.0
// What commands on one model take: its folder, and texts, one JSON object a line, answered line by line.
#pragma once

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/base/visible.h"
#include "core/io/files.h"
#include "core/series/find_checkpoints.h"
#include "core/series/series.h"

namespace crest {

/// Says that it is the model that is missing, before any of its files is looked for.
inline Result<void> checkModelThere(const std::string& model) {
    std::error_code ignored;
    if (!std::filesystem::exists(model, ignored))
        return fail(ErrorKind::NotFound, "There is no such checkpoint folder.", model);
    return {};
}

/// Of a folder around checkpoints, and of one that holds nanoGPT's file, says which can be named instead.
inline Result<void> checkIsCheckpoint(const std::string& model) {
    CREST_CHECK(checkModelThere(model));
    const std::filesystem::path own = series::placeOf(model).path;
    std::error_code ignored;
    if (std::filesystem::exists(own / "config.json", ignored))
        return {};
    bool isOne = false;
    std::vector<std::filesystem::path> below;
    std::vector<series::ScanIssue> issues;
    series::findCheckpoints(own, JobContext(), issues, [&](const series::FoundCheckpoint& place) {
        isOne = isOne || place.path == own;
        if (!place.maybe)
            below.push_back(place.path);
    });
    if (isOne || below.empty())
        return {};
    const std::string holds = counted(static_cast<std::int64_t>(below.size()), "checkpoint");
    return fail(ErrorKind::Unsupported,
                fmt::format("This folder is no checkpoint but holds {}; name {}{}", holds,
                            below.size() == 1 ? "" : "one of them, such as ", below.front().string()),
                model);
}

/// On stderr what is to be known of a checkpoint that can be used all the same: tensors that have no place in it, say.
inline void tellDoubts(const series::Checkpoint& checkpoint, const char* command) {
    if (checkpoint.state != series::CheckpointState::Broken && !checkpoint.reason.empty())
        fmt::print(stderr, "crest-run {}: {}\n", command, visible(checkpoint.reason));
}

/// The "text" of every line of a JSONL file ("-": standard input); blank lines are left out. Malformed names file and
/// line.
inline Result<std::vector<std::string>> readTextLines(const std::string& file) {
    std::string content;
    if (file == "-") {
        content.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        CREST_TRY(read, io::readTextFile(file, std::uint64_t{8'000'000'000}));
        content = std::move(read);
    }
    std::vector<std::string> texts;
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < content.size();) {
        const std::size_t end = std::min(content.find('\n', begin), content.size());
        const std::string_view line(content.data() + begin, end - begin);
        begin = end + 1;
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos)
            continue;
        const std::string where = file + ", line " + std::to_string(number);
        CREST_TRY(object, parseJson(line, where));
        CREST_TRY(text, requireString(object, "text", where));
        texts.push_back(std::move(text));
    }
    return texts;
}

} // namespace crest
