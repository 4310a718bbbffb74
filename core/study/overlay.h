// SPDX-License-Identifier: Apache-2.0
// Points that others measured, drawn over the study's curves. They are read once (core/analysis/overlay.h) and kept in
// study.json with where they came from, so that a file that moves takes nothing away.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace crest::study {

struct OverlayPoint {
    double tokens = 0; ///< pretraining tokens of the checkpoint, > 0
    double value = 0;  ///< in the curve's unit; accuracies as a share of 1
    std::optional<double> low, high;
    std::int64_t n = 0; ///< items behind it; 0: not said
    bool operator==(const OverlayPoint&) const = default;
};

struct OverlayCurve {
    std::string label;  ///< what the legend says: "OLMo-1B, base"
    std::string task;   ///< drawn over the panel of this task (names compared without case, "-" and blanks as "_")
    std::string metric; ///< "acc", "loss"; "": whichever the panel shows
    std::string unit;   ///< "accuracy", "nats/token"; "" where the file does not say
    std::vector<OverlayPoint> points; ///< ascending in tokens
    bool operator==(const OverlayCurve&) const = default;
};

/// What one import brought.
struct Overlay {
    std::string name;   ///< unique within the study
    std::string source; ///< for people: the paper with its figure, or "lm-evaluation-harness 0.4.13, 12 files"
    std::string file;   ///< where it was read, as it was named then
    std::string sha256; ///< of the content that was read
    std::vector<OverlayCurve> curves;
    bool operator==(const Overlay&) const = default;
};

} // namespace crest::study
