// SPDX-License-Identifier: Apache-2.0
// Unfolds the values of a pickle into plain ones. Values that are shared many times or contain themselves end at the
// limits of depth and size.
#include <set>

#include <fmt/format.h>

#include "core/io/pickle_heap.h"

namespace crest::io::detail {
namespace {

constexpr std::size_t kMaxResultDepth = 32;
constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::uint64_t kMaxResultBytes = 20'000'000;
/// What entries cost at most: the nodes of maps and sets, vectors that grow by doubling.
constexpr std::uint64_t kValueBytes = 64, kEntryBytes = 192, kTensorBytes = 3 * sizeof(PickledTensor) + 64,
                        kPathBytes = 48;

class Unfolding {
public:
    explicit Unfolding(Heap& heap)
        : m_heap(heap) {}

    PickledObject run(Ref root) {
        if (m_heap[root].kind == Kind::Tensor)
            addTensor(m_heap[root]);
        else
            m_out.values = value(m_heap[root]);
        m_out.storages = std::move(m_heap.storages());
        return std::move(m_out);
    }

private:
    Heap& m_heap;
    PickledObject m_out;
    std::vector<std::string> m_path;
    std::uint64_t m_charged = 0;

    void charge(std::uint64_t bytes) {
        m_charged += bytes;
        if (m_charged > kMaxResultBytes)
            refuse(fmt::format("its values unfold to more than {} MB", kMaxResultBytes / 1'000'000));
    }

    void addTensor(const Node& node) {
        PickledTensor tensor = m_heap.tensor(node);
        charge(kTensorBytes + 2 * tensor.shape.size() * sizeof(std::int64_t));
        for (const std::string& part : m_path)
            charge(kPathBytes + part.size());
        tensor.path = m_path;
        m_out.tensors.push_back(std::move(tensor));
    }

    Json value(const Node& node) {
        charge(kValueBytes);
        switch (node.kind) {
        case Kind::None:
        case Kind::Storage:
            return nullptr;
        case Kind::Bool:
            return node.bits != 0;
        case Kind::Int:
            return node.integer();
        case Kind::Float:
            return node.real();
        case Kind::Text:
            charge(node.size);
            return std::string(m_heap.text(node));
        case Kind::Name:
            return name(m_heap.name(node));
        case Kind::Tensor:
            addTensor(node);
            return nullptr;
        case Kind::Tuple:
        case Kind::List:
        case Kind::Dict:
            break;
        }
        if (m_path.size() == kMaxResultDepth)
            refuse(fmt::format("its values are nested more than {} deep, or contain themselves", kMaxResultDepth));
        return node.kind == Kind::Dict ? dict(node) : array(node);
    }

    Json name(const KnownName& known) {
        if (known.meaning != Meaning::DTypeName)
            refuse(fmt::format("the name {} {} stands where a value must be", known.module, known.name));
        return fmt::format("{}.{}", known.module, known.name);
    }

    Json array(const Node& node) {
        Json out = Json::array();
        const std::size_t count = node.kind == Kind::Tuple ? node.size : m_heap.items(node).size();
        for (std::size_t i = 0; i < count; ++i) {
            m_path.push_back(std::to_string(i));
            out.push_back(value(m_heap[node.kind == Kind::Tuple ? m_heap.item(node, i) : m_heap.items(node)[i]]));
            m_path.pop_back();
        }
        return out;
    }

    std::string keyText(const Node& key) {
        if (key.kind == Kind::Int)
            return std::to_string(key.integer());
        if (key.kind != Kind::Text)
            refuse(fmt::format("the key of a dict is {}, neither a text nor a whole number", kindName(key.kind)));
        if (key.size > kMaxKeyBytes)
            refuse(fmt::format("the key of a dict has {} bytes, more than {}", key.size, kMaxKeyBytes));
        return std::string(m_heap.text(key));
    }

    Json dict(const Node& node) {
        Json out = Json::object();
        std::set<std::string> seen;
        const auto& items = m_heap.items(node);
        for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
            std::string key = keyText(m_heap[items[i]]);
            charge(kEntryBytes + 2 * key.size());
            if (!seen.insert(key).second)
                refuse(fmt::format("the key {} occurs twice in a dict",
                                   Json(key.substr(0, 80)).dump(-1, ' ', true, Json::error_handler_t::replace)));
            m_path.push_back(key);
            const Node& child = m_heap[items[i + 1]];
            if (child.kind == Kind::Tensor)
                addTensor(child);
            else
                out[key] = value(child);
            m_path.pop_back();
        }
        return out;
    }
};

} // namespace

PickledObject unfold(Heap& heap, Ref root) {
    return Unfolding(heap).run(root);
}

} // namespace crest::io::detail
