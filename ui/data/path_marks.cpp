// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/path_marks.h"

#include <algorithm>
#include <string>

#include <QStringList>

#include "ui/data/format.h"

namespace crest::ui {
namespace {

using Parts = std::vector<std::string>;

/// How many parts all have in common, counted from the front or (reversed) from the end.
std::size_t commonParts(const std::vector<Parts>& all) {
    std::size_t common = all.front().size();
    for (const Parts& one : all)
        common = std::min(common, static_cast<std::size_t>(
                                      std::mismatch(one.begin(), one.end(), all.front().begin(), all.front().end()).first -
                                      one.begin()));
    return common;
}

} // namespace

std::vector<QString> distinguishingParts(const std::vector<std::filesystem::path>& paths) {
    std::vector<QString> marks(paths.size());
    if (paths.size() < 2)
        return marks;
    std::vector<Parts> all;
    for (const std::filesystem::path& path : paths) {
        Parts& parts = all.emplace_back();
        for (const auto& part : path.lexically_normal())
            parts.push_back(part.string());
    }
    const std::size_t front = commonParts(all);
    for (Parts& parts : all) {
        parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(front));
        std::reverse(parts.begin(), parts.end());
    }
    const std::size_t back = commonParts(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
        QStringList own;
        for (auto part = all[i].rbegin(); part != all[i].rend() - static_cast<std::ptrdiff_t>(back); ++part)
            own << toQString(*part);
        marks[i] = own.join(u'/');
    }
    return marks;
}

} // namespace crest::ui
