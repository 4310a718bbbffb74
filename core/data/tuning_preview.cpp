// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_preview.h"

#include <algorithm>
#include <deque>

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

/// Of a row that is left out before it is tokenised.
std::vector<PreviewSegment> segmentsOf(const std::vector<TuningSegment>& row) {
    std::vector<PreviewSegment> segments;
    for (const TuningSegment& one : row)
        segments.push_back({one.text, false, one.isEnd, false});
    return segments;
}

/// Gets every row as it is read, and the example of each that can be used, later but in the same order.
class Previewer {
public:
    Previewer(const TuningDataSettings& settings, const TuningEncoder& encoder, const PreviewOptions& options, bool manyFiles)
        : m_settings(settings)
        , m_encoder(encoder)
        , m_options(options)
        , m_manyFiles(manyFiles) {}

    void look(const TuningRowRead& row) {
        Shown shown{m_rows++, {m_manyFiles ? row.file : "", row.number, 0, 0, row.leftOut, segmentsOf(row.segments)}};
        if (row.leftOut.empty())
            m_waiting.push_back(std::move(shown));
        else if (isWanted(shown))
            m_shown.push_back(std::move(shown));
    }

    void take(TuningExample example) {
        Shown shown = std::move(m_waiting.front());
        m_waiting.pop_front();
        m_lengths.push_back(static_cast<std::int32_t>(std::min<std::size_t>(example.ids.size(), INT32_MAX)));
        TuningExample fitted = example;
        shown.example.leftOut = fitToLength(fitted, m_settings, m_preview.tokenCounts);
        m_stays.push_back(shown.example.leftOut.empty());
        if (!isWanted(shown))
            return;
        shown.example.segments = segmentsOf(example, m_encoder, static_cast<std::size_t>(m_settings.maxTokens));
        shown.example.tokens = static_cast<std::int64_t>(fitted.ids.size());
        shown.example.learnedTokens = learnedOf(fitted);
        m_shown.push_back(std::move(shown));
    }

    TuningPreview finish(TuningRowCounts counts) {
        m_preview.whole = m_options.maxRows == 0 || counts.rows < m_options.maxRows;
        m_preview.counts = std::move(counts);
        m_preview.lengths = lengthHistogram(m_lengths);
        std::ranges::sort(m_shown, {}, &Shown::order);
        for (Shown& one : m_shown) {
            m_preview.front += one.order < m_options.examples ? 1 : 0;
            m_preview.examples.push_back(std::move(one.example));
        }
        if (const auto split = m_preview.whole ? countSplit() : Result<void>(); !split)
            m_preview.problem = split.error().message;
        return std::move(m_preview);
    }

private:
    struct Shown {
        std::int64_t order = 0; ///< among all rows
        PreviewExample example;
    };
    const TuningDataSettings& m_settings;
    const TuningEncoder& m_encoder;
    const PreviewOptions m_options;
    const bool m_manyFiles;
    TuningPreview m_preview;
    std::int64_t m_rows = 0, m_leftOut = 0;
    std::deque<Shown> m_waiting; ///< for their examples
    std::vector<Shown> m_shown;
    std::vector<std::int32_t> m_lengths;
    std::vector<bool> m_stays; ///< of each row that can be used

    bool isWanted(const Shown& row) {
        return row.order < m_options.examples || (!row.example.leftOut.empty() && m_leftOut++ < m_options.leftOut);
    }

    Result<void> countSplit() {
        CREST_TRY(split, splitTuningRows(static_cast<std::int64_t>(m_stays.size()), m_settings.split));
        const auto staying = [this](const std::vector<std::int64_t>& rows) {
            return std::ranges::count_if(rows, [this](std::int64_t row) { return m_stays[static_cast<std::size_t>(row)]; });
        };
        m_preview.trainExamples = staying(split.train);
        m_preview.heldOutExamples = staying(split.heldOut);
        return checkExamplesLeft({m_preview.trainExamples, m_preview.heldOutExamples,
                                  static_cast<std::int64_t>(split.heldOut.size()), m_preview.lengths.shortest},
                                 m_settings);
    }
};

} // namespace

Result<TuningPreview> previewTuningRows(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                        const PreviewOptions& options, const JobContext& job) {
    CREST_TRY(forms, TuningForms::of(settings));
    CREST_TRY(files, tuningFiles(settings.path));
    CREST_TRY(encoder, TuningEncoder::of(tokenizer, settings.begin));
    Previewer previewer(settings, encoder, options, files.size() > 1);
    ExampleBatcher batcher(encoder, {}, job, [&](std::int64_t, TuningExample example) -> Result<void> {
        previewer.take(std::move(example));
        return {};
    });
    const TuningRowOptions rows{settings.lossOn == LossOn::All, 1.0, options.maxRows,
                                [&](const TuningRowRead& row) { previewer.look(row); }};
    const auto visit = [&](std::int64_t row, std::vector<TuningSegment> segments) {
        return batcher.add(row, segments);
    };
    CREST_TRY(counts, readTuningRows(files, forms.form, forms.stylePointer(), rows, visit, job));
    CREST_CHECK(batcher.flush());
    return previewer.finish(std::move(counts));
}

} // namespace crest::data
