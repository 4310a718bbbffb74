// SPDX-License-Identifier: Apache-2.0
#include "core/eval/embedding.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace crest::eval {

using model::Decoder;
using model::WeightSource;
using series::TensorSlot;

namespace {

constexpr std::int64_t kReleased = 1 << 20; ///< elements of a table that leave memory together

/// x[k] row n = (or +=) row rows[n] + offset of a table, each row made once and dealt out.
void gather(const Decoder& decoder, WeightSource& source, int tensor, std::span<const std::int32_t> rows,
            std::int64_t offset, int firstVersion, std::vector<at::Tensor>& x, bool add) {
    const std::int64_t width = x[0].size(1);
    std::vector<std::int64_t> order(rows.size());
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto rowOf = [&](std::int64_t n) { return rows[static_cast<std::size_t>(n)]; };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return rowOf(a) < rowOf(b); });
    std::vector<at::Tensor> onCpu(x.size());
    std::vector<std::vector<float>> made(x.size(), std::vector<float>(static_cast<std::size_t>(width)));
    std::vector<float*> base(x.size()), out(x.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
        onCpu[k] = x[k].device().is_cpu() ? x[k] : at::zeros(x[k].sizes(), at::kFloat);
        base[k] = onCpu[k].mutable_data_ptr<float>();
        out[k] = made[k].data();
    }
    const bool releases = decoder.releases(static_cast<std::int64_t>(rows.size()));
    std::int64_t released = 0; ///< elements of the table that are no longer resident
    for (std::size_t i = 0; i < order.size();) {
        const std::int32_t row = rowOf(order[i]);
        if (const std::int64_t before = (row + offset) * width; releases && before - released > kReleased) {
            source.reader().release(tensor, released, before - released);
            released = before;
        }
        source.make(tensor, (row + offset) * width, width, firstVersion, out);
        for (; i < order.size() && rowOf(order[i]) == row; ++i)
            for (std::size_t k = 0; k < x.size(); ++k) {
                float* to = base[k] + order[i] * width;
                if (add)
                    std::transform(to, to + width, out[k], to, std::plus<float>());
                else
                    std::copy_n(out[k], width, to);
            }
    }
    if (releases)
        source.reader().release(tensor, released, source.reader().elements(tensor) - released);
    for (std::size_t k = 0; k < x.size(); ++k)
        if (!x[k].is_same(onCpu[k])) {
            if (add)
                x[k].add_(onCpu[k].to(x[k].device()));
            else
                x[k].copy_(onCpu[k]);
        }
}

/// y[k] = x[k] W^T with the projection of each version.
void project(Decoder& decoder, WeightSource& source, TensorSlot slot, std::int64_t out, int firstVersion,
             const std::vector<at::Tensor>& x, std::vector<at::Tensor>& y) {
    const std::int64_t in = x[0].size(1);
    const at::Tensor all =
        decoder.buffer("projection", static_cast<std::int64_t>(x.size()) * out, in, decoder.weightType());
    std::vector<at::Tensor> weights;
    for (std::size_t k = 0; k < x.size(); ++k)
        weights.push_back(all.narrow(0, static_cast<std::int64_t>(k) * out, out));
    decoder.makeInto(source, source.reader().find(slot, -1, false), 0, firstVersion, weights);
    for (std::size_t k = 0; k < x.size(); ++k)
        model::linear(x[k], weights[k], {}, y[k]);
}

/// One buffer cut into [rows, width] for each version.
std::vector<at::Tensor> cut(Decoder& decoder, const char* name, std::size_t versions, std::int64_t rows,
                            std::int64_t width) {
    const at::Tensor all = decoder.buffer(name, static_cast<std::int64_t>(versions) * rows, width);
    std::vector<at::Tensor> parts;
    for (std::size_t k = 0; k < versions; ++k)
        parts.push_back(all.narrow(0, static_cast<std::int64_t>(k) * rows, rows));
    return parts;
}

} // namespace

void embed(Decoder& decoder, WeightSource& source, std::span<const std::int32_t> ids,
           std::span<const std::int32_t> positions, int firstVersion, std::vector<at::Tensor>& x) {
    const series::DecoderSpec& spec = decoder.spec();
    const int table = source.reader().find(TensorSlot::Embedding, -1, false);
    if (spec.embeddingWidth > 0) {
        std::vector<at::Tensor> rows = cut(decoder, "table rows", x.size(), x[0].size(0), spec.embeddingWidth);
        gather(decoder, source, table, ids, 0, firstVersion, rows, false);
        project(decoder, source, TensorSlot::ProjectIn, spec.width, firstVersion, rows, x);
    } else {
        gather(decoder, source, table, ids, 0, firstVersion, x, false);
    }
    if (spec.positions == series::Positions::Learned)
        gather(decoder, source, source.reader().find(TensorSlot::Position, -1, false), positions, spec.positionOffset,
               firstVersion, x, true);
}

void projectOut(Decoder& decoder, WeightSource& source, int firstVersion, std::vector<at::Tensor>& x) {
    const series::DecoderSpec& spec = decoder.spec();
    if (spec.embeddingWidth == 0)
        return;
    std::vector<at::Tensor> narrow = cut(decoder, "table rows", x.size(), x[0].size(0), spec.embeddingWidth);
    project(decoder, source, TensorSlot::ProjectOut, spec.embeddingWidth, firstVersion, x, narrow);
    x = std::move(narrow);
}

} // namespace crest::eval
