// SPDX-License-Identifier: Apache-2.0
#include "core/io/pickle_heap.h"

#include <utility>

#include <fmt/format.h>

namespace crest::io::detail {
namespace {

constexpr std::uint64_t kMaxHeapBytes = 20'000'000;
/// Vectors grow by doubling: old and new together are at most three times what is needed.
constexpr std::uint64_t kGrowth = 3;

} // namespace

void refuse(std::string why) {
    throw Refusal{ErrorKind::Malformed, std::move(why)};
}

const char* kindName(Kind kind) {
    switch (kind) {
    case Kind::None:
        return "None";
    case Kind::Bool:
        return "True or False";
    case Kind::Int:
        return "a whole number";
    case Kind::Float:
        return "a number";
    case Kind::Text:
        return "a text";
    case Kind::Tuple:
        return "a tuple";
    case Kind::List:
        return "a list";
    case Kind::Dict:
        return "a dict";
    case Kind::Name:
        return "a name";
    case Kind::Storage:
        return "a storage";
    case Kind::Tensor:
        return "a tensor";
    }
    return "a value";
}

void Heap::charge(std::uint64_t bytes) {
    m_charged += bytes;
    if (m_charged > kMaxHeapBytes)
        throw Refusal{ErrorKind::Malformed,
                      fmt::format("its values need more than {} MB of memory", kMaxHeapBytes / 1'000'000)};
}

Ref Heap::add(Node node) {
    charge(sizeof node);
    m_nodes.push_back(node);
    return static_cast<Ref>(m_nodes.size() - 1);
}

Ref Heap::addTuple(std::span<const Ref> items) {
    charge(items.size() * sizeof(Ref));
    const std::uint64_t at = m_tupleItems.size();
    m_tupleItems.insert(m_tupleItems.end(), items.begin(), items.end());
    return add({Kind::Tuple, false, static_cast<std::uint32_t>(items.size()), at});
}

Ref Heap::addItems(Kind kind, bool ordered) {
    charge(sizeof(std::vector<Ref>));
    m_items.emplace_back();
    return add({kind, ordered, 0, m_items.size() - 1});
}

Ref Heap::addName(const KnownName& name) {
    charge(sizeof(const KnownName*));
    m_names.push_back(&name);
    return add({Kind::Name, false, 0, m_names.size() - 1});
}

Ref Heap::addStorage(PickledStorage storage, DType dtype) {
    const auto known = m_storageOf.find(storage.key);
    if (known == m_storageOf.end()) {
        charge(kGrowth * (sizeof storage + sizeof dtype) + 100);
        m_storageOf.emplace(storage.key, m_storages.size());
        m_storages.push_back(std::move(storage));
        m_storageTypes.push_back(dtype);
        return add({Kind::Storage, false, 0, m_storages.size() - 1});
    }
    const PickledStorage& first = m_storages[known->second];
    if (first.bytes != storage.bytes || first.dtypeText != storage.dtypeText)
        throw Refusal{ErrorKind::Malformed,
                      fmt::format("storage {} is declared twice with different types or sizes", storage.key)};
    return add({Kind::Storage, false, 0, known->second});
}

Ref Heap::addTensor(PickledTensor tensor) {
    charge(sizeof tensor + 2 * (32 + tensor.shape.size() * sizeof(std::int64_t)));
    m_tensors.push_back(std::move(tensor));
    return add({Kind::Tensor, false, 0, m_tensors.size() - 1});
}

void Heap::append(const Node& node, std::span<const Ref> more) {
    charge(more.size() * kGrowth * sizeof(Ref) + 16);
    auto& items = m_items[node.bits];
    items.insert(items.end(), more.begin(), more.end());
}

const Node& Heap::require(const Node& tuple, std::size_t i, Kind kind, const char* what) const {
    const Node& node = m_nodes[item(tuple, i)];
    if (node.kind != kind)
        throw Refusal{ErrorKind::Malformed,
                      fmt::format("{} must be {}, it is {}", what, kindName(kind), kindName(node.kind))};
    return node;
}

} // namespace crest::io::detail
