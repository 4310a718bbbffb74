// SPDX-License-Identifier: Apache-2.0
#include "core/eval/task_generation.h"

#include "core/eval/text_generation.h"

namespace crest::eval {

namespace {

/// One version of several.
class OneVersion final : public model::WeightSource {
public:
    OneVersion(model::WeightSource& all, int version)
        : m_all(all)
        , m_version(version) {}
    const model::WeightReader& reader() const override { return m_all.reader(); }
    int versions() const override { return 1; }
    void make(int tensor, std::int64_t first, std::int64_t count, int firstVersion,
              std::span<float* const> out) override {
        m_all.make(tensor, first, count, m_version + firstVersion, out);
    }

private:
    model::WeightSource& m_all;
    int m_version;
};

TextGenerationOptions optionsOf(const PreparedTask& task, const text::Tokenizer& tokenizer) {
    const data::GenerationSettings& settings = task.definition.generation;
    TextGenerationOptions options;
    options.until = settings.until;
    if (const auto eos = tokenizer.eosId())
        options.until.push_back(tokenizer.decode({&*eos, 1}));
    options.specials = task.definition.tokenizerSpecials ? text::Specials::Template : text::Specials::None;
    options.bosOnce = true;
    options.decoding.maxNewTokens = settings.maxNewTokens;
    options.decoding.endTokens = task.endTokens;
    options.decoding.beams = settings.beams;
    options.decoding.repetitionPenalty = settings.repetitionPenalty;
    options.decoding.temperature = settings.temperature;
    options.decoding.topK = settings.topK;
    options.decoding.topP = settings.topP;
    return options;
}

} // namespace

Result<data::ItemScores> generateAnswers(model::Decoder& decoder, model::WeightSource& source, int version,
                                         const text::Tokenizer& tokenizer, const PreparedTask& task,
                                         const JobContext& job) {
    std::vector<std::string> prompts;
    for (const data::TaskItem& item : task.items)
        for (const data::ItemRequest& request : item.requests)
            prompts.push_back(request.context);
    TextGenerationOptions options = optionsOf(task, tokenizer);
    std::int64_t answered = 0;
    options.finished = [&](std::size_t, const GeneratedText&) {
        job.report(++answered, static_cast<std::int64_t>(prompts.size()), "answers");
    };
    OneVersion weights(source, version);
    CREST_TRY(answers, generateTexts(decoder, weights, tokenizer, prompts, options, job));
    data::ItemScores scores;
    for (GeneratedText& answer : answers) {
        scores.requestTokens.push_back(static_cast<std::int32_t>(answer.ids.size()));
        scores.texts.push_back(std::move(answer.text));
    }
    return scores;
}

} // namespace crest::eval
