// SPDX-License-Identifier: Apache-2.0
// Tuned weights that a study keeps within a stated room, so that a task that is added later is scored without a new
// training: a checkpoint folder for each training, named by its key (trainingKey), which transformers loads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace crest::study {

/// Kept weights leave so much of the disk free: a run needs it for its results, and weights are optional.
inline constexpr std::int64_t kFreeForResults = 256'000'000;

class KeptWeights {
public:
    /// `folder`: StudyFolder::keptFolder(); it need not be there.
    explicit KeptWeights(std::filesystem::path folder)
        : m_folder(std::move(folder)) {}

    /// Where the weights of a training are, or would be.
    std::filesystem::path folderOf(std::string_view key) const;
    bool has(std::string_view key) const;
    /// They were used: others go first.
    void use(std::string_view key) const;
    /// They are damaged, say.
    void drop(std::string_view key) const;

    /// Lets `write` make the folder of `key`, about `bytes` large, after the ones that were not used for longest have gone,
    /// so that all together stay within `budget`, and the disk has kFreeForResults free; where it has less, kept ones go.
    /// OutOfRange, with the numbers, where they alone would not stay within the budget, NoSpace where the disk has no room for
    /// them; what `write` gives. Runners of other processes wait. What is open elsewhere stays readable to whoever has it mapped.
    Result<void> keep(std::string_view key, std::int64_t bytes, std::int64_t budget,
                      const std::function<Result<void>(const std::filesystem::path&)>& write) const;

    /// Where the disk has less than kFreeForResults free: those that were not used for longest go, of one training. How many bytes that
    /// were; 0 where none could go.
    std::int64_t giveWay() const;

    /// Bytes of all that is kept.
    std::int64_t size() const;

private:
    void makeRoom(std::int64_t most) const;

    std::filesystem::path m_folder;
};

/// What `act` gives once it does not fail for want of room, or no kept weights are left that could go for it; gone(bytes) says what went.
template<class Act, class Gone> auto withRoom(const KeptWeights& kept, Act act, Gone gone) {
    for (;;) {
        auto done = act();
        const bool full = !done && done.error().kind == ErrorKind::NoSpace;
        const std::int64_t bytes = full ? kept.giveWay() : 0;
        if (bytes == 0)
            return done;
        gone(bytes);
    }
}

/// "Kept tuned weights (61 MB) had to go: the disk is full, and results come first."
std::string goneWeights(std::int64_t bytes);

} // namespace crest::study
