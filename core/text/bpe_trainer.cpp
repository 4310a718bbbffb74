// SPDX-License-Identifier: Apache-2.0
#include "core/text/bpe_trainer.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/text/byte_alphabet.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/unicode.h"

namespace crest::text {
namespace {

constexpr std::int32_t kMaxVocab = 1'000'000;
constexpr std::size_t kDocumentsPerReport = 2000;
constexpr std::size_t kMergesPerReport = 64;

using Pair = std::pair<std::int32_t, std::int32_t>;

struct PairHash {
    std::size_t operator()(const Pair& pair) const {
        const std::uint64_t key = (static_cast<std::uint64_t>(static_cast<std::uint32_t>(pair.first)) << 32) |
                                  static_cast<std::uint32_t>(pair.second);
        return static_cast<std::size_t>((key ^ (key >> 29)) * 0x9E3779B97F4A7C15ULL >> 7);
    }
};

/// A pre-token as ids, and how often it occurs.
struct Word {
    std::vector<std::int32_t> ids;
    std::int64_t count = 0;
};

/// A pair with the words it was seen in; its count may be out of date, which is noticed when it comes up.
struct PairCandidate {
    Pair pair;
    std::int64_t count = 0;
    std::vector<std::uint32_t> words;
};

/// Order of the heap: the largest count on top, among equals the smallest pair.
bool comesLater(const PairCandidate& a, const PairCandidate& b) {
    return a.count != b.count ? a.count < b.count : a.pair > b.pair;
}

/// Merging as tokenizers' BpeTrainer does it, queue included: where two ways lead to one token its bookkeeping decides
/// the order, and a vocabulary trained here is to be the one trained there.
class Merger {
public:
    Merger(TrainedBpe& out, std::vector<Word> words)
        : m_out(out)
        , m_words(std::move(words)) {
        for (std::size_t id = 0; id < out.tokens.size(); ++id)
            m_idOf.emplace(out.tokens[id], static_cast<std::int32_t>(id));
    }

    Result<void> run(const JobContext& job) {
        countPairs();
        const auto target = static_cast<std::size_t>(m_out.options.vocabSize);
        while (m_out.tokens.size() < target && !m_heap.empty()) {
            if (m_out.merges.size() % kMergesPerReport == 0) {
                if (job.stopRequested())
                    return stopped();
                job.report(static_cast<std::int64_t>(m_out.tokens.size()), m_out.options.vocabSize,
                           "tokens of the vocabulary");
            }
            PairCandidate top = pop();
            if (const std::int64_t now = m_counts[top.pair]; top.count != now) {
                top.count = now;
                push(std::move(top));
                continue;
            }
            if (top.count < std::max<std::int64_t>(1, m_out.options.minFrequency))
                break;
            mergeEverywhere(top);
        }
        return {};
    }

private:
    TrainedBpe& m_out;
    std::vector<Word> m_words;
    std::unordered_map<std::string, std::int32_t> m_idOf;
    std::unordered_map<Pair, std::int64_t, PairHash> m_counts;
    std::unordered_map<Pair, std::vector<std::uint32_t>, PairHash>
        m_fresh; ///< pairs made by the merge at hand, and where
    std::vector<PairCandidate> m_heap;

    void push(PairCandidate candidate) {
        m_heap.push_back(std::move(candidate));
        std::ranges::push_heap(m_heap, comesLater);
    }
    PairCandidate pop() {
        std::ranges::pop_heap(m_heap, comesLater);
        PairCandidate top = std::move(m_heap.back());
        m_heap.pop_back();
        return top;
    }
    void seenIn(const Pair& pair, std::uint32_t word) {
        std::vector<std::uint32_t>& words = m_fresh[pair];
        if (words.empty() || words.back() != word)
            words.push_back(word);
    }
    void queueFresh() {
        for (auto& [pair, words] : m_fresh)
            if (const std::int64_t count = m_counts[pair]; count > 0)
                push({pair, count, std::move(words)});
        m_fresh.clear();
    }

    void countPairs() {
        for (std::uint32_t w = 0; w < m_words.size(); ++w) {
            const Word& word = m_words[w];
            for (std::size_t i = 0; i + 1 < word.ids.size(); ++i) {
                const Pair pair{word.ids[i], word.ids[i + 1]};
                m_counts[pair] += word.count;
                seenIn(pair, w);
            }
        }
        queueFresh();
    }

    std::int32_t tokenFor(const Pair& pair) {
        std::string text =
            m_out.tokens[static_cast<std::size_t>(pair.first)] + m_out.tokens[static_cast<std::size_t>(pair.second)];
        const auto [found, isNew] = m_idOf.try_emplace(text, static_cast<std::int32_t>(m_out.tokens.size()));
        if (isNew)
            m_out.tokens.push_back(std::move(text));
        return found->second;
    }

    void mergeEverywhere(const PairCandidate& top) {
        const std::int32_t merged = tokenFor(top.pair);
        m_out.merges.emplace_back(m_out.tokens[static_cast<std::size_t>(top.pair.first)],
                                  m_out.tokens[static_cast<std::size_t>(top.pair.second)]);
        for (const std::uint32_t w : top.words)
            mergeIn(w, top.pair, merged);
        queueFresh();
    }

    void change(const Pair& pair, std::int64_t by, std::uint32_t word) {
        m_counts[pair] += by;
        if (by > 0)
            seenIn(pair, word);
    }

    /// Replaces the pair in one word, from the left, and corrects the counts of its neighbours.
    void mergeIn(std::uint32_t w, const Pair& pair, std::int32_t merged) {
        Word& word = m_words[w];
        std::vector<std::int32_t>& ids = word.ids;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < ids.size();) {
            if (i + 1 >= ids.size() || ids[i] != pair.first || ids[i + 1] != pair.second) {
                ids[kept++] = ids[i++];
                continue;
            }
            if (kept > 0) {
                change({ids[kept - 1], pair.first}, -word.count, w);
                change({ids[kept - 1], merged}, word.count, w);
            }
            if (i + 2 < ids.size()) {
                change({pair.second, ids[i + 2]}, -word.count, w);
                change({merged, ids[i + 2]}, word.count, w);
            }
            ids[kept++] = merged;
            i += 2;
        }
        ids.resize(kept);
    }
};

Result<void> checkOptions(const BpeTrainingOptions& options) {
    if (options.specialTokens.empty())
        return fail(ErrorKind::OutOfRange, "a tokenizer needs at least one special token, the end of a text");
    const std::set<std::string> different(options.specialTokens.begin(), options.specialTokens.end());
    if (different.size() != options.specialTokens.size())
        return fail(ErrorKind::OutOfRange, "two special tokens are the same");
    for (const std::string& token : options.specialTokens)
        if (token.size() < 2 || !isValidUtf8(token) || token.size() > 256)
            return fail(ErrorKind::OutOfRange, "a special token must be UTF-8 of 2 to 256 bytes");
    const auto least = static_cast<std::int32_t>(256 + options.specialTokens.size());
    if (options.vocabSize < least || options.vocabSize > kMaxVocab)
        return fail(
            ErrorKind::OutOfRange,
            fmt::format("the vocabulary size is {}, it must be from {} (all bytes and the special tokens) to {}",
                        options.vocabSize, least, kMaxVocab));
    if (options.minFrequency < 1)
        return fail(ErrorKind::OutOfRange, "the least frequency of a merge must be 1 or more");
    return {};
}

/// Special tokens first, then the bytes in the order of the code points that stand for them.
std::vector<std::string> firstTokens(const BpeTrainingOptions& options) {
    std::vector<std::string> tokens = options.specialTokens;
    std::array<char32_t, 256> alphabet = byteAlphabet();
    std::ranges::sort(alphabet);
    for (const char32_t c : alphabet) {
        std::string token;
        appendUtf8(c, token);
        if (std::ranges::find(options.specialTokens, token) == options.specialTokens.end())
            tokens.push_back(std::move(token));
    }
    return tokens;
}

Result<std::vector<Word>> countWords(TextsView documents, const TrainedBpe& trained, const JobContext& job) {
    std::array<std::int32_t, 256> idOfByte{};
    for (std::size_t id = 0; id < trained.tokens.size(); ++id)
        if (const auto bytes = fromByteAlphabet(trained.tokens[id]); bytes && bytes->size() == 1)
            idOfByte[static_cast<unsigned char>((*bytes)[0])] = static_cast<std::int32_t>(id);
    std::unordered_map<std::string, std::int64_t> counts;
    const std::vector<PreStep> steps{{PreStep::Kind::Gpt2}};
    for (std::size_t d = 0; d < documents.size(); ++d) {
        if (d % kDocumentsPerReport == 0) {
            if (job.stopRequested())
                return stopped();
            job.report(static_cast<std::int64_t>(d), static_cast<std::int64_t>(documents.size()), "documents counted");
        }
        const auto count = [&](std::string_view piece) { ++counts[std::string(piece)]; };
        if (isValidUtf8(documents[d]))
            preTokenize(steps, documents[d], true, count);
        else
            preTokenize(steps, repairUtf8(documents[d]), true, count);
    }
    std::vector<Word> words;
    words.reserve(counts.size());
    for (const auto& [bytes, count] : counts) {
        Word word{{}, count};
        for (const char byte : bytes)
            word.ids.push_back(idOfByte[static_cast<unsigned char>(byte)]);
        words.push_back(std::move(word));
    }
    return words;
}

} // namespace

Result<TrainedBpe> trainBpe(TextsView documents, const BpeTrainingOptions& options, const JobContext& job) {
    CREST_CHECK(checkOptions(options));
    TrainedBpe trained{options, firstTokens(options), {}};
    CREST_TRY(words, countWords(documents, trained, job));
    CREST_CHECK(Merger(trained, std::move(words)).run(job));
    return trained;
}

std::string tokenizerJson(const TrainedBpe& trained) {
    const Json byteLevel = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    Json added = Json::array();
    for (std::size_t id = 0; id < trained.options.specialTokens.size(); ++id)
        added.push_back({{"id", id},
                         {"content", trained.options.specialTokens[id]},
                         {"special", true},
                         {"normalized", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"single_word", false}});
    Json vocab = Json::object();
    for (std::size_t id = 0; id < trained.tokens.size(); ++id)
        vocab[trained.tokens[id]] = id;
    Json merges = Json::array();
    for (const auto& [left, right] : trained.merges)
        merges.push_back(Json::array({left, right}));
    const Json file = {{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", added},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", byteLevel},
                       {"post_processor", nullptr},
                       {"decoder", byteLevel},
                       {"model",
                        {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"ignore_merges", false},
                         {"vocab", vocab},
                         {"merges", merges}}}};
    return file.dump(1) + "\n";
}

std::string tokenizerConfigJson(const TrainedBpe& trained, std::int64_t modelMaxLength) {
    const std::string& end = trained.options.specialTokens.front();
    const Json config = {{"bos_token", end},
                         {"eos_token", end},
                         {"clean_up_tokenization_spaces", false},
                         {"model_max_length", modelMaxLength},
                         {"tokenizer_class", "PreTrainedTokenizerFast"}};
    return config.dump(2) + "\n";
}

Result<void> saveTokenizer(const TrainedBpe& trained, std::int64_t modelMaxLength,
                           const std::filesystem::path& folder) {
    CREST_CHECK(io::writeFileAtomic(folder / "tokenizer.json", tokenizerJson(trained)));
    return io::writeFileAtomic(folder / "tokenizer_config.json", tokenizerConfigJson(trained, modelMaxLength));
}

Result<Tokenizer> makeTokenizer(const TrainedBpe& trained) {
    return Tokenizer::fromJson(tokenizerJson(trained), "trained tokenizer", tokenizerConfigJson(trained, 0));
}

} // namespace crest::text
