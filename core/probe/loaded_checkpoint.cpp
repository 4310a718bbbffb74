// SPDX-License-Identifier: Apache-2.0
#include "core/probe/loaded_checkpoint.h"

#include "core/eval/text_generation.h"
#include "core/probe/gaussian_noise.h"
#include "core/series/folder_stamp.h"
#include "core/series/tokenizer_files.h"
#include "core/series/weight_check.h"
#include "core/study/planner.h"

namespace crest::probe {

using model::WeightReader;

namespace {

Result<void> checkInitStd(const LoadedCheckpoint& checkpoint) {
    if (checkpoint.planned.initStd.empty() ||
        study::initStdHash(checkpoint.facts.initStd) == checkpoint.planned.initStd)
        return {};
    return fail(ErrorKind::Mismatch,
                "the standard deviations its tensors were initialised with (init_std in crest.json, or its family's "
                "rule) changed since the run was planned; plan it again",
                checkpoint.path());
}

Result<void> loadTokenizer(LoadedCheckpoint& checkpoint) {
    CREST_TRY(hash, series::tokenizerHash(checkpoint.path()));
    if (!checkpoint.planned.tokenizer.empty() && hash != checkpoint.planned.tokenizer)
        return fail(ErrorKind::Mismatch, "the tokenizer changed since the run was planned; plan it again",
                    checkpoint.path());
    checkpoint.tokenizerHash = std::move(hash);
    CREST_TRY(tokenizer, text::Tokenizer::load(series::tokenizerFolder(checkpoint.path())));
    checkpoint.tokenizer = std::make_unique<text::Tokenizer>(std::move(tokenizer));
    CREST_TRY(endTokens, eval::endTokensOf(series::tokenizerFolder(checkpoint.path()), *checkpoint.tokenizer));
    checkpoint.endTokens = std::move(endTokens);
    return {};
}

} // namespace

bool LoadedCheckpoint::isUntouched() const {
    const auto now = series::folderStamp(path());
    return now && *now == stamp;
}

Result<std::unique_ptr<LoadedCheckpoint>> loadCheckpoint(const study::PlannedCheckpoint& planned,
                                                         const JobContext& job) {
    auto loaded = std::make_unique<LoadedCheckpoint>();
    loaded->planned = planned;
    CREST_TRY(stamp, series::folderStamp(planned.path));
    loaded->stamp = std::move(stamp);
    loaded->facts = series::readCheckpoint(planned.path).checkpoint;
    if (!loaded->facts.spec)
        return fail(ErrorKind::Unsupported, loaded->facts.reason, planned.path);
    CREST_TRY(reader, WeightReader::open(planned.path, loaded->spec()));
    loaded->reader = std::make_unique<WeightReader>(std::move(reader));
    if (!planned.weights.empty()) {
        CREST_TRY(fingerprint, series::fingerprintWeights(loaded->reader->weights(), loaded->spec(), job));
        if (fingerprint != planned.weights)
            return fail(ErrorKind::Mismatch, "the weights changed since the run was planned; plan it again",
                        planned.path);
    }
    CREST_CHECK(checkInitStd(*loaded));
    CREST_CHECK(loadTokenizer(*loaded));
    CREST_TRY(rms, loaded->reader->checkedRms(job));
    loaded->rms = std::move(rms);
    return loaded;
}

Result<std::map<std::string, double>> noiseTable(const LoadedCheckpoint& checkpoint, study::NoiseScale scale) {
    if (scale == study::NoiseScale::TensorRms)
        return noiseStd(*checkpoint.reader, checkpoint.rms);
    auto table = noiseStd(*checkpoint.reader, checkpoint.facts.initStd);
    if (!table)
        return fail(ErrorKind::NotFound,
                    table.error().message +
                        ": the checkpoint's crest.json has no init_std for it and its family's rule is not known. "
                        "The fallback is noise scaled by each tensor's RMS (--scale rms), which is another "
                        "probe and is never drawn on one axis with this one",
                    checkpoint.path());
    return table;
}

} // namespace crest::probe
