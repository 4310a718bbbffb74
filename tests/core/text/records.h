// SPDX-License-Identifier: Apache-2.0
// What the reference scripts of core/text write: a 32-bit count and its bytes or 32-bit ids, one record after the
// other.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <QString>

#include "core/base/json.h"

namespace crest::text::test {

using Ids = std::vector<std::int32_t>;

class Records {
public:
    explicit Records(const QString& path)
        : m_stream(path.toStdString(), std::ios::binary) {}

    bool next(std::string& bytes, std::size_t unit = 1) {
        std::uint32_t count = 0;
        if (!m_stream.read(reinterpret_cast<char*>(&count), sizeof(count)))
            return false;
        bytes.resize(count * unit);
        return static_cast<bool>(m_stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())));
    }
    bool next(Ids& ids) {
        std::string bytes;
        if (!next(bytes, sizeof(std::int32_t)))
            return false;
        ids.resize(bytes.size() / sizeof(std::int32_t));
        std::memcpy(ids.data(), bytes.data(), bytes.size());
        return true;
    }

private:
    std::ifstream m_stream;
};

inline std::vector<std::string> readTextRecords(const QString& path) {
    std::vector<std::string> texts;
    std::string text;
    for (Records records(path); records.next(text);)
        texts.push_back(text);
    return texts;
}

inline std::string different(const std::string& text, const Ids& ours, const Ids& reference) {
    return "for " + Json(text).dump(-1, ' ', true, Json::error_handler_t::replace) + ":\n ours      " +
           Json(ours).dump() + "\n reference " + Json(reference).dump();
}

} // namespace crest::text::test
