// SPDX-License-Identifier: Apache-2.0
// The steps of a fine-tuning: its passes, their gradient, the update.
#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/core/LegacyTypeDispatch.h>

#include "core/model/accelerator.h"
#include "core/train/available_memory.h"
#include "core/train/fine_tune_impl.h"

namespace crest::train {

void FineTune::Impl::enterStage() {
    const TuningStage& now = *std::ranges::find_if(stages, [&](const TuningStage& one) { return done < one.end; });
    if (stage != &now) {
        lanes.reset();
        lanes.emplace(reader.spec(), now.part, device.is_cpu() ? settings.gradientLanes : 1, device);
        stage = &now;
    }
    if (done == now.begin && done > 0)
        state.narrow(0, 1, 2).zero_();
}

/// Throws std::bad_alloc where the place that passes lie in, the machine's memory or the device's, is known to have less left.
void FineTune::Impl::requireRoom(std::int64_t bytes) const {
    if (device.is_cpu())
        requireAvailable(bytes);
    else if (model::freeDeviceMemory(device).value_or(bytes) < bytes)
        throw std::bad_alloc();
}

/// All at once, before threads work: where memory does not suffice it is found here, and leaves room for what products, threads
/// and others take for a while, some of which end the program where they get nothing.
void FineTune::Impl::makePasses() {
    const std::size_t count = lanes->workers(threads);
    if (workers.size() == count)
        return;
    const series::DecoderSpec& spec = reader.spec();
    if (passRows > longest)
        requireRoom(static_cast<std::int64_t>(count) * bytesOfPass(passRows));
    for (workers.clear(); workers.size() < count;)
        workers.push_back(std::make_unique<DecoderPass>(spec, passRows, longest, true, device, recompute));
    if (device.is_cpu())
        at::empty({32 << 20}, at::kByte); // not touched, and given back
}

double FineTune::Impl::runLane(DecoderPass& pass, DecoderTensors& gradients, const TuningBatches& from,
                               std::span<const std::int64_t> examples, double scale) {
    double sum = 0;
    while (!examples.empty()) {
        const std::size_t count = from.passWithin(examples, passRows);
        TuningRows rows = from.rowsOf(examples.first(count));
        const auto size = static_cast<std::int64_t>(rows.ids.size());
        const at::Tensor ids = at::from_blob(rows.ids.data(), {size}, at::kLong).to(device);
        const at::Tensor targets = at::from_blob(rows.targets.data(), {size}, at::kLong).to(device);
        const at::Tensor& loss =
            pass.forwardBackward(stepWeights, gradients, ids, targets, scale, rows.documents);
        sum += loss.sum(at::kDouble).item<double>() * scale;
        examples = examples.subspan(count);
    }
    return sum;
}

/// Loss and gradient of a batch, which is left in the lanes' sum.
StepReport FineTune::Impl::gradientOf(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed) {
    const double share = replay ? settings.replayShare : 0.0;
    const double scale = (1 - share) / static_cast<double>(batches.learned(examples));
    const double ofReplay = replay ? share / static_cast<double>(replay->learned(replayed)) : 0.0;
    makePasses();
    if (rounded.defined())
        rounded.copy_(flat);
    StepReport report;
    report.tokens = batches.tokens(examples) + (replay ? replay->tokens(replayed) : 0);
    report.learned = batches.learned(examples) + (replay ? replay->learned(replayed) : 0);
    report.loss = lanes->run(threads, [&](std::size_t worker, std::size_t lane, DecoderTensors& gradients) {
        const auto partOfLane = [&](std::span<const std::int64_t> all) {
            const std::size_t begin = lane * all.size() / lanes->count(), end = (lane + 1) * all.size() / lanes->count();
            return all.subspan(begin, end - begin);
        };
        double loss = runLane(*workers[worker], gradients, batches, partOfLane(examples), scale);
        if (replay)
            loss += runLane(*workers[worker], gradients, *replay, partOfLane(replayed), ofReplay);
        return loss;
    });
    return report;
}

/// False where one example goes through the model at a time already.
bool FineTune::Impl::halveRows() {
    workers.clear(); // and their activations
    if (passRows <= longest)
        return false;
    passRows = std::max(longest, passRows / 2);
    note = noteOfHalving(rowsOfPass(reader.spec(), settings, longest), done + 1, passRows);
    return true;
}

/// A gradient is made anew for each try and changes nothing else: a failed one leaves no trace.
StepReport FineTune::Impl::gradientInMemory(std::span<const std::int64_t> examples, std::span<const std::int64_t> replayed) {
    for (;;) {
        try {
            return gradientOf(examples, replayed);
        } catch (const std::exception& error) {
            if (!isOutOfMemory(error) || !halveRows())
                throw;
        }
    }
}

namespace {

/// The gradient of strength / 2 |now - start|^2. The difference comes first: a weight that did not move gets nothing, not the
/// rounding of a product, which AdamW would make a step of where no example has a say. In stretches, for the memory it takes.
void addPull(const at::Tensor& now, const at::Tensor& start, double strength, at::Tensor& gradients) {
    constexpr std::int64_t kStretch = 1 << 20;
    for (std::int64_t first = 0; first < now.numel(); first += kStretch) {
        const std::int64_t count = std::min(kStretch, now.numel() - first);
        gradients.narrow(0, first, count).add_(now.narrow(0, first, count) - start.narrow(0, first, count), strength);
    }
}

} // namespace

/// From the gradient of the weights to that of what is trained.
at::Tensor& FineTune::Impl::gradientOfTrained() {
    if (lowRank) {
        lowRank->gradient(state.select(0, 0), lanes->sum(), settings.l2ToStart, ofAdapters);
        return ofAdapters;
    }
    if (start.defined())
        addPull(flat.narrow(0, stage->first, stage->part.total), start.narrow(0, stage->first, stage->part.total),
                settings.l2ToStart, lanes->sum());
    return lanes->sum();
}

StepReport FineTune::Impl::step() {
    const at::AutoDispatchBelowADInplaceOrView noGraph; // as in gradient_lanes.cpp
    enterStage();
    StepReport report =
        gradientInMemory(batches.examplesOf(done), replay ? replay->examplesOf(done) : std::vector<std::int64_t>());
    at::Tensor& gradient = gradientOfTrained();
    report.gradientNorm = clipGradients(gradient, optimizer.clipNorm);
    report.learningRate = learningRateAt(optimizer, done - stage->begin, stage->end - stage->begin);
    diverged = !std::isfinite(report.loss) || !std::isfinite(report.gradientNorm) || report.loss > lossBound();
    if (diverged) {
        letGo();
        return report;
    }
    ++done;
    at::Tensor trained = lowRank ? state : state.narrow(1, stage->first, stage->part.total);
    updateAdamW(optimizer, lowRank ? lowRank->layout() : stage->part, trained, gradient, report.learningRate,
                done - stage->begin);
    if (lowRank)
        lowRank->merge(state.select(0, 0), flat);
    if (done == batches.steps())
        letGo();
    return report;
}

/// What only steps need: the weights are measured next.
void FineTune::Impl::letGo() {
    workers.clear(), lanes.reset();
    stage = nullptr;
}

} // namespace crest::train
