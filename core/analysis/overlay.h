// SPDX-License-Identifier: Apache-2.0
// Reading points of others to be drawn over the curves: result files of lm-evaluation-harness (0.3 to 0.4.13), and CSV.
// The files are foreign and not trusted: sizes are bounded, and every row that is left out has a sentence. Pure but for
// readOverlay; any thread.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/study/overlay.h"

namespace crest::analysis {

/// Most that is read of one import.
inline constexpr std::size_t kMostOverlayBytes = 64'000'000, kMostOverlayPoints = 100'000, kMostOverlayCurves = 1'000,
                             kMostOverlayFiles = 10'000;

/// A file's content and how it is called in messages.
struct OverlayFile {
    std::string name, content;
};

struct OverlayImport {
    study::Overlay overlay;
    std::vector<std::string> problems; ///< what was left out and why: "points.csv, line 7: ...", at most twenty
    std::int64_t leftOut = 0;          ///< rows or values that were left out
};

/// CSV as spreadsheets write it (separator comma, semicolon or tab; quotes doubled; decimal points). The first line
/// that does not begin with # names the columns, in any order and case:
///   task        which panel: "arc_easy"                                   (also: "eval dataset", "dataset")
///   value       the number                                                (also: "performance", "score")
///   tokens      pretraining tokens: 4194304000, 4.2B, 1.5T                 (or, instead, the next one)
///   checkpoint  a name that tells them: "step1000-tokens4B"                (also: "model_id", "model")
///   curve       name of the curve                                         (missing: the file's name)
///   metric      "acc", "loss"                                             (missing or empty: whichever is shown)
///   unit        "accuracy", "%", "nats/token"                             (% becomes a share of 1)
///   low, high   the ends of a band;   stderr  a standard error (also "std"), drawn as -+ 1.96 of it;   n  items
/// Lines "# name: ..." and "# source: ..." say what the overlay is called and where its points are from. Columns of
/// other names are left alone. Malformed where a needed column or every usable row is missing.
Result<OverlayImport> overlayFromCsv(const OverlayFile& file);

/// Result files of lm-evaluation-harness, one for each checkpoint: curves by model, task (by the name that Crest has for the
/// way it was asked: "arc_easy (chat template)") and metric over the tokens that the revision, the model's name or the file's name tells (steps by the tables of known series). Malformed where
/// none of the files holds a usable number.
Result<OverlayImport> overlayFromHarness(std::span<const OverlayFile> files);

/// Whether a content looks like JSON rather than CSV.
bool looksLikeJson(std::string_view content);

/// Reads files as one overlay: all CSV, or all results of the harness; of a folder every results*.json below it. Errors
/// as above; Mismatch where the kinds are mixed, OutOfRange where there is too much, Stopped.
Result<OverlayImport> readOverlay(const std::vector<std::filesystem::path>& files, const JobContext& job = {});

/// Names of tasks compared as people mean them: "ARC-Easy" and "arc_easy" are the same.
std::string comparableTaskName(std::string_view name);

/// "4.2B", "1.5T", "4e9", "4194304000"; nothing where it is no positive number of tokens.
std::optional<double> tokensFromText(std::string_view text);

} // namespace crest::analysis
