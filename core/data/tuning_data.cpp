// SPDX-License-Identifier: Apache-2.0
#include "core/data/tuning_data.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/data/tuning_examples.h"

namespace crest::data {
namespace {

constexpr std::int64_t kMostTokens = 4'000'000'000;

using Segments = std::vector<TuningSegment>;

/// Hash of all rows, which are kept as long as they are small.
class Scan {
public:
    /// Keeps no more than `keptBytes`.
    explicit Scan(const TuningDataSettings& settings, std::size_t keptBytes = 0)
        : m_most(keptBytes)
        , m_keeps(keptBytes > 0) {
        m_hash.update("crest tuning data 1\n").update(canonicalJson(tuningIdentity(settings))).update("\n");
    }
    void take(Segments segments) {
        std::size_t bytes = 0;
        for (const TuningSegment& segment : segments) {
            m_hash.update(
                fmt::format("{}{} {}\n", segment.learned ? 1 : 0, segment.isEnd ? 1 : 0, segment.text.size()));
            m_hash.update(segment.text);
            bytes += sizeof segment + segment.text.size();
            m_textBytes += static_cast<std::int64_t>(segment.text.size());
        }
        m_hash.update("\n");
        ++m_rows;
        m_bytes += bytes;
        if (m_keeps && m_bytes > m_most) {
            m_keeps = false;
            m_kept = {};
        }
        if (m_keeps)
            m_kept.push_back(std::move(segments));
    }
    std::int64_t rows() const { return m_rows; }
    std::int64_t textBytes() const { return m_textBytes; }
    /// Null where there was too much.
    const std::vector<Segments>* kept() const { return m_keeps ? &m_kept : nullptr; }
    std::string finish() { return m_hash.finishHex(); }

private:
    Sha256 m_hash;
    std::vector<Segments> m_kept;
    std::size_t m_most, m_bytes = 0;
    std::int64_t m_rows = 0, m_textBytes = 0;
    bool m_keeps;
};

TuningRowOptions rowOptions(const TuningDataSettings& settings) {
    return {settings.lossOn == LossOn::All, settings.maxBadShare, 0};
}

/// Everything that is the same for planning and reading.
struct Opened {
    TuningForms forms;
    std::vector<DataFile> files;
};

Result<Opened> open(const TuningDataSettings& settings) {
    CREST_TRY(forms, TuningForms::of(settings));
    CREST_TRY(files, tuningFiles(settings.path));
    return Opened{std::move(forms), std::move(files)};
}

Result<TuningRowCounts> scanRows(const Opened& data, const TuningDataSettings& settings, const JobContext& job,
                                 Scan& scan) {
    const auto visit = [&](std::int64_t, Segments segments) -> Result<void> {
        scan.take(std::move(segments));
        return {};
    };
    return readTuningRows(data.files, data.forms.form, data.forms.stylePointer(), rowOptions(settings), visit, job);
}

Result<TuningSplit> splitOf(std::int64_t rows, const TuningDataSettings& settings) {
    auto split = splitTuningRows(rows, settings.split);
    if (!split)
        return fail(split.error().kind, split.error().message, settings.path);
    return split;
}

/// Puts examples where the split wants them.
class Sorter {
public:
    Sorter(const TuningDataSettings& settings, const TuningSplit& split, TuningSet& set)
        : m_settings(settings)
        , m_split(split)
        , m_set(set) {}

    /// Rows come in ascending order.
    bool wants(std::int64_t row) {
        while (m_train < m_split.train.size() && m_split.train[m_train] < row)
            ++m_train;
        while (m_heldOut < m_split.heldOut.size() && m_split.heldOut[m_heldOut] < row)
            ++m_heldOut;
        return (m_train < m_split.train.size() && m_split.train[m_train] == row) ||
               (m_heldOut < m_split.heldOut.size() && m_split.heldOut[m_heldOut] == row);
    }

    Result<void> place(std::int64_t row, TuningExample example) {
        const bool heldOut = std::ranges::binary_search(m_split.heldOut, row);
        m_lengths.push_back(static_cast<std::int32_t>(std::min<std::size_t>(example.ids.size(), INT32_MAX)));
        TuningTokenCounts& counts = heldOut ? m_set.heldOutCounts : m_set.trainCounts;
        if (!fitToLength(example, m_settings, counts).empty())
            return {};
        if (counts.tokens > kMostTokens)
            return fail(ErrorKind::OutOfRange,
                        fmt::format("more than {} tokens; train on a part of the rows (sub-sample)", kMostTokens),
                        m_settings.path);
        example.ids.shrink_to_fit();
        example.learned.shrink_to_fit();
        (heldOut ? m_set.heldOut : m_set.train).push_back(std::move(example));
        (heldOut ? m_set.heldOutRows : m_set.trainRows).push_back(row);
        return {};
    }
    const std::vector<std::int32_t>& lengths() const { return m_lengths; }

private:
    const TuningDataSettings& m_settings;
    const TuningSplit& m_split;
    TuningSet& m_set;
    std::size_t m_train = 0, m_heldOut = 0;
    std::vector<std::int32_t> m_lengths;
};

/// The rows again: those that were kept, else from the files, which must not have changed.
Result<void> tokenizeRows(const Opened& data, const TuningDataSettings& settings, const Scan& scan,
                          const std::string& hash, Sorter& sorter, ExampleBatcher& batcher, const JobContext& job) {
    if (const auto* kept = scan.kept()) {
        for (std::size_t row = 0; row < kept->size(); ++row)
            if (sorter.wants(static_cast<std::int64_t>(row)))
                CREST_CHECK(batcher.add(static_cast<std::int64_t>(row), (*kept)[row]));
        return batcher.flush();
    }
    Scan again(settings);
    const auto visit = [&](std::int64_t row, Segments segments) -> Result<void> {
        if (sorter.wants(row))
            CREST_CHECK(batcher.add(row, segments));
        again.take(std::move(segments));
        return {};
    };
    CREST_CHECK(
        readTuningRows(data.files, data.forms.form, data.forms.stylePointer(), rowOptions(settings), visit, job));
    CREST_CHECK(batcher.flush());
    if (again.finish() != hash)
        return fail(ErrorKind::Mismatch, "the data changed while it was read; start again", settings.path);
    return {};
}

std::string_view bytesOf(const TuningExample& example) {
    return {reinterpret_cast<const char*>(example.ids.data()), example.ids.size() * sizeof example.ids[0]};
}

std::int64_t repeatedIn(const TuningSet& set) {
    std::unordered_set<std::string_view> trained;
    for (const TuningExample& example : set.train)
        trained.insert(bytesOf(example));
    return std::count_if(set.heldOut.begin(), set.heldOut.end(),
                         [&](const TuningExample& example) { return trained.contains(bytesOf(example)); });
}

void addNotes(TuningSet& set, const TuningDataSettings& settings) {
    const TuningRowCounts& counts = set.counts;
    const auto note = [&](std::int64_t count, const std::string& text) {
        if (count > 0)
            set.notes.push_back(text);
    };
    note(counts.badRows, fmt::format("{} of {} rows cannot be used and are left out", counts.badRows, counts.rows));
    note(counts.blankRows, fmt::format("{} of {} rows have nothing to learn, because their answers are blank or not "
                                       "there, and are left out",
                                       counts.blankRows, counts.rows));
    note(counts.outOfTurnRows, fmt::format("in {} of {} rows an answer follows no question (it comes first, or behind another answer); they are "
                                           "trained on as they stand",
                                           counts.outOfTurnRows, counts.rows));
    const auto examples = static_cast<std::int64_t>(set.trainRows.size() + set.heldOutRows.size());
    const std::int64_t tooLong = set.trainCounts.tooLong + set.heldOutCounts.tooLong;
    const std::int64_t emptied = set.trainCounts.emptied + set.heldOutCounts.emptied;
    const std::int64_t all = examples + emptied + (settings.tooLong == TooLong::Drop ? tooLong : 0);
    note(tooLong,
         fmt::format("{} of {} examples are longer than {} tokens and are {}", tooLong, all, settings.maxTokens,
                     settings.tooLong == TooLong::Drop ? "left out" : "cut off there, without an end token"));
    note(emptied, fmt::format("{} of {} examples have nothing to learn within their first {} tokens and are left out",
                              emptied, all, settings.maxTokens));
    note(set.repeated,
         fmt::format("{} of {} held-out examples are trained on as well, because rows are in the data more "
                     "than once",
                     set.repeated, set.heldOut.size()));
}

} // namespace

LengthHistogram lengthHistogram(std::span<const std::int32_t> lengths, std::int64_t bins) {
    LengthHistogram out;
    if (lengths.empty())
        return out;
    std::vector<std::int32_t> sorted(lengths.begin(), lengths.end());
    std::ranges::sort(sorted);
    out.shortest = sorted.front();
    out.longest = sorted.back();
    const std::size_t half = sorted.size() / 2;
    out.median = sorted.size() % 2 == 1 ? sorted[half] : (static_cast<double>(sorted[half - 1]) + sorted[half]) / 2;
    for (std::int64_t power = 1, step = 0; out.width * bins < out.longest; ++step) {
        constexpr std::int64_t kSteps[] = {2, 5, 10};
        out.width = power * kSteps[step % 3];
        if (step % 3 == 2)
            power *= 10;
    }
    out.counts.assign(static_cast<std::size_t>((out.longest + out.width - 1) / out.width), 0);
    for (const std::int32_t length : sorted)
        ++out.counts[static_cast<std::size_t>((std::max(length, 1) - 1) / out.width)];
    return out;
}

Result<TuningDataPlan> planTuningData(const TuningDataSettings& settings, const JobContext& job) {
    CREST_TRY(data, open(settings));
    Scan scan(settings);
    CREST_TRY(counts, scanRows(data, settings, job, scan));
    CREST_TRY(split, splitOf(scan.rows(), settings));
    return TuningDataPlan{scan.finish(), std::move(counts), static_cast<std::int64_t>(split.train.size()),
                          static_cast<std::int64_t>(split.heldOut.size()), scan.textBytes()};
}

Result<TuningSet> readTuningData(const TuningDataSettings& settings, const text::Tokenizer& tokenizer,
                                 const JobContext& job, const TokenCache& cache, std::size_t keptBytes) {
    CREST_TRY(data, open(settings));
    CREST_TRY(encoder, TuningEncoder::of(tokenizer, settings.begin));
    TuningSet set;
    Scan scan(settings, keptBytes);
    CREST_TRY(counts, scanRows(data, settings, job, scan));
    set.counts = std::move(counts);
    CREST_TRY(split, splitOf(scan.rows(), settings));
    set.contentHash = scan.finish();
    Sorter sorter(settings, split, set);
    const auto place = [&](std::int64_t row, TuningExample example) { return sorter.place(row, std::move(example)); };
    ExampleBatcher batcher(encoder, cache, job, place);
    CREST_CHECK(tokenizeRows(data, settings, scan, set.contentHash, sorter, batcher, job));
    set.lengths = lengthHistogram(sorter.lengths());
    const auto sizeOf = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
    CREST_CHECK(checkExamplesLeft({sizeOf(set.train), sizeOf(set.heldOut), sizeOf(split.heldOut), set.lengths.shortest}, settings));
    set.repeated = repeatedIn(set);
    addNotes(set, settings);
    return set;
}

} // namespace crest::data
