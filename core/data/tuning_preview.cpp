// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_preview.h"

#include <algorithm>

#include "core/data/tuning_examples.h"

namespace crest::data {
namespace {

std::vector<PreviewSegment> segmentsOf(const TuningExample& example, const TuningEncoder& encoder, std::size_t most) {
    std::vector<PreviewSegment> kinds;
    std::vector<std::size_t> cuts;
    for (std::size_t i = 0; i < example.ids.size(); ++i) {
        const PreviewSegment kind{"", example.learned[i] != 0, example.ids[i] == encoder.endToken(), i >= most};
        if (!kinds.empty() && kinds.back() == kind)
            continue;
        if (i > 0)
            cuts.push_back(i);
        kinds.push_back(kind);
    }
    const auto pieces = decodedPieces(encoder.tokenizer(), example.ids, cuts);
    for (std::size_t i = 0; i < kinds.size(); ++i)
        kinds[i].text = pieces[i];
    return kinds;
}

} // namespace

Result<TuningPreview> previewTuningRows(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                        const PreviewOptions& options, const JobContext& job) {
    CREST_TRY(forms, TuningForms::of(settings));
    CREST_TRY(files, tuningFiles(settings.path));
    CREST_TRY(encoder, TuningEncoder::of(tokenizer, settings.begin));
    TuningPreview preview;
    std::vector<std::int32_t> lengths;
    const auto most = static_cast<std::size_t>(settings.maxTokens);
    const auto show = [&](std::int64_t row, TuningExample example) -> Result<void> {
        lengths.push_back(static_cast<std::int32_t>(std::min<std::size_t>(example.ids.size(), INT32_MAX)));
        PreviewExample shown;
        const bool isShown = row < options.examples;
        if (isShown)
            shown.segments = segmentsOf(example, encoder, most);
        shown.row = row;
        shown.leftOut = !fitToLength(example, settings, preview.tokenCounts);
        shown.tokens = static_cast<std::int64_t>(example.ids.size());
        shown.learnedTokens = learnedOf(example);
        if (isShown)
            preview.examples.push_back(std::move(shown));
        return {};
    };
    ExampleBatcher batcher(encoder, {}, job, show);
    const TuningRowOptions rows{settings.lossOn == LossOn::All, 1.0, options.maxRows};
    const auto visit = [&](std::int64_t row, std::vector<TuningSegment> segments) {
        return batcher.add(row, segments);
    };
    CREST_TRY(counts, readTuningRows(files, forms.form, forms.stylePointer(), rows, visit, job));
    CREST_CHECK(batcher.flush());
    preview.whole = options.maxRows == 0 || counts.rows < options.maxRows;
    preview.counts = std::move(counts);
    preview.lengths = lengthHistogram(lengths);
    return preview;
}

} // namespace crest::data
