// SPDX-License-Identifier: Apache-2.0
// Overlays from result files of lm-evaluation-harness on arbitrary bytes; what is not JSON is tried as the value of one
// metric, so that the reader behind the parser is reached.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/analysis/overlay.h"

namespace {

void tryFile(const std::string& content) {
    using namespace crest::analysis;
    const OverlayFile file{"pythia-70m_step512.json", content};
    const auto read = overlayFromHarness({&file, 1});
    if (read)
        for (const auto& curve : read->overlay.curves)
            for (const auto& point : curve.points)
                if (!std::isfinite(point.value) || !(point.tokens > 0))
                    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    tryFile(text);
    tryFile("{\"results\": {\"a\": {\"acc,none\": 0.5, \"acc_stderr,none\": " + text + "}}, \"config\": {\"model_args\": " +
            text + "}}");
    return 0;
}
