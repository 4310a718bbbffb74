// SPDX-License-Identifier: Apache-2.0
// Overlays from CSV on arbitrary bytes.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/analysis/overlay.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace crest::analysis;
    const auto read = overlayFromCsv({"fuzz.csv", std::string(reinterpret_cast<const char*>(data), size)});
    if (!read)
        return 0;
    // What is accepted can be drawn: finite, on the axis, in order.
    for (const auto& curve : read->overlay.curves) {
        double before = 0;
        if (curve.points.empty() || curve.task.empty())
            std::abort();
        for (const auto& point : curve.points) {
            if (!std::isfinite(point.value) || !(point.tokens > before) || point.low.has_value() != point.high.has_value())
                std::abort();
            before = point.tokens;
        }
    }
    return 0;
}
