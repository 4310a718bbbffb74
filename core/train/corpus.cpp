// SPDX-License-Identifier: Apache-2.0
#include "core/train/corpus.h"

#include "core/base/hash.h"
#include "core/data/texts.h"
#include "core/io/files.h"
#include "core/text/bpe_trainer.h"

namespace crest::train {
namespace {

namespace fs = std::filesystem;

Result<data::Texts> readAll(const std::vector<fs::path>& files) {
    data::Texts all;
    for (const fs::path& file : files) {
        CREST_TRY(texts, data::readTexts(file));
        all.bytes += texts.bytes;
        all.badLines += texts.badLines;
        all.name += (all.name.empty() ? "" : ", ") + texts.name;
        if (all.documents.empty())
            all.documents = std::move(texts.documents);
        else
            for (std::size_t d = 0; d < texts.documents.size(); ++d)
                all.documents.push_back(std::string(texts.documents[d]));
    }
    all.contentHash = data::textsHash(all.documents);
    return all;
}

/// The folder with the tokenizer's files; trains it where it is not there yet.
Result<fs::path> tokenizerFolder(const PretrainConfig& config, const data::Texts& texts, const fs::path& workFolder,
                                 const JobContext& job) {
    if (!config.trainTokenizer)
        return fs::is_directory(config.tokenizerFile) ? config.tokenizerFile : config.tokenizerFile.parent_path();
    const std::string key = sha256Hex(texts.contentHash + "|" + std::to_string(config.tokenizerVocab) + "|" +
                                      config.endToken + "|" + std::to_string(config.spec.contextLength));
    const fs::path folder = workFolder / ("tokenizer-" + key.substr(0, 16));
    std::error_code code;
    if (fs::exists(folder / "tokenizer.json", code) && fs::exists(folder / "tokenizer_config.json", code))
        return folder;
    fs::create_directories(folder, code);
    if (code)
        return fail(io::systemError(code.value(), "create", folder));
    text::BpeTrainingOptions options;
    options.vocabSize = config.tokenizerVocab;
    options.specialTokens = {config.endToken};
    CREST_TRY(trained, text::trainBpe(texts.documents, options, job));
    CREST_CHECK(text::saveTokenizer(trained, config.spec.contextLength, folder));
    return folder;
}

Result<HeldoutRows> heldoutRows(const fs::path& file, const text::Tokenizer& tokenizer, std::int32_t endToken,
                                const PretrainConfig& config, const JobContext& job) {
    CREST_TRY(texts, data::readTexts(file));
    CREST_TRY(tokens, data::tokenizeTexts(texts, tokenizer, endToken, job));
    data::WindowOptions options;
    options.context = options.stride = static_cast<std::int32_t>(config.sequenceLength);
    options.maxTargets = config.heldoutTokens;
    CREST_TRY(plan, data::cutWindows(tokens, options));
    HeldoutRows rows;
    rows.scored = plan.targets;
    for (const data::Window& window : plan.windows)
        for (std::int64_t t = 0; t < config.sequenceLength; ++t) {
            const bool inside = t + 1 < window.length;
            const auto at = static_cast<std::size_t>(window.begin + t);
            rows.inputs.push_back(inside ? tokens.ids[at] : 0);
            rows.targets.push_back(inside && t + 1 >= window.firstScored ? tokens.ids[at + 1] : -1);
        }
    return rows;
}

} // namespace

Result<Corpus> prepareCorpus(PretrainConfig& config, const fs::path& workFolder, const JobContext& job) {
    Corpus corpus;
    CREST_TRY(texts, readAll(config.texts));
    CREST_TRY(folder, tokenizerFolder(config, texts, workFolder, job));
    corpus.tokenizerFolder = folder;
    CREST_TRY(tokenizer, text::Tokenizer::load(folder / "tokenizer.json"));
    const auto endToken = tokenizer.tokenToId(config.endToken);
    if (!endToken)
        return fail(ErrorKind::Mismatch, "The end token \"" + config.endToken + "\" is not in the tokenizer.",
                    (folder / "tokenizer.json").string());
    config.spec.vocabSize = static_cast<std::int64_t>(tokenizer.idLimit());
    CREST_TRY(tokens, data::PackedTokens::buildCached(texts, tokenizer, *endToken, {workFolder}, job));
    corpus.tokens = std::move(tokens);
    if (corpus.sequences(config.sequenceLength) < 1)
        return fail(ErrorKind::OutOfRange, "The training texts hold fewer tokens than one sequence.", texts.name);
    corpus.dataHash = sha256Hex(corpus.tokens.contentHash() + tokenizer.contentHash());
    for (const auto& [name, file] : config.heldout) {
        CREST_TRY(rows, heldoutRows(file, tokenizer, *endToken, config, job));
        corpus.heldout.emplace(name, std::move(rows));
    }
    return corpus;
}

} // namespace crest::train
