// SPDX-License-Identifier: Apache-2.0
// The values a pickle makes while it is read. They lie in tables and refer to each other by number, so that cycles,
// sharing and depth cost nothing until the result is unfolded within limits.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/io/pickle_names.h"
#include "core/io/pickle_reader.h"

namespace crest::io::detail {

/// Thrown within the reader, caught at its edge.
struct Refusal {
    ErrorKind kind = ErrorKind::Malformed;
    std::string why;
};
[[noreturn]] void refuse(std::string why); ///< throws it as malformed

using Ref = std::uint32_t;
enum class Kind : std::uint8_t { None, Bool, Int, Float, Text, Tuple, List, Dict, Name, Storage, Tensor };
const char* kindName(Kind kind); ///< with its article: "a text"

struct Node {
    Kind kind = Kind::None;
    bool ordered = false;   ///< of a Dict: an OrderedDict
    std::uint32_t size = 0; ///< of a Text its bytes, of a Tuple its items
    std::uint64_t bits = 0; ///< the number, or where the content lies
    std::int64_t integer() const { return static_cast<std::int64_t>(bits); }
    double real() const { return std::bit_cast<double>(bits); }
};

class Heap {
public:
    explicit Heap(std::string_view pickle)
        : m_pickle(pickle) {}

    Ref add(Node node);
    Ref addInt(std::int64_t value) { return add({Kind::Int, false, 0, static_cast<std::uint64_t>(value)}); }
    Ref addTuple(std::span<const Ref> items);
    Ref addList() { return addItems(Kind::List, false); }
    Ref addDict(bool ordered) { return addItems(Kind::Dict, ordered); }
    Ref addName(const KnownName& name);
    Ref addStorage(PickledStorage storage, DType dtype); ///< the same Ref's content for the same key
    Ref addTensor(PickledTensor tensor);

    const Node& operator[](Ref ref) const { return m_nodes[ref]; }
    std::string_view text(const Node& node) const { return m_pickle.substr(node.bits, node.size); }
    Ref item(const Node& tuple, std::size_t i) const { return m_tupleItems[tuple.bits + i]; }
    /// Of a List its items, of a Dict key, value, key, value, ...
    const std::vector<Ref>& items(const Node& node) const { return m_items[node.bits]; }
    void append(const Node& node, std::span<const Ref> more);
    const KnownName& name(const Node& node) const { return *m_names[node.bits]; }
    const PickledTensor& tensor(const Node& node) const { return m_tensors[node.bits]; }
    DType storageType(std::size_t storage) const { return m_storageTypes[storage]; }
    std::vector<PickledStorage>& storages() { return m_storages; }

    /// Refuses what would need more memory than a file of weights ever does.
    void charge(std::uint64_t bytes);

    /// The item of a tuple, which must be of this kind; `what` names it in the message.
    const Node& require(const Node& tuple, std::size_t i, Kind kind, const char* what) const;

private:
    Ref addItems(Kind kind, bool ordered);

    std::string_view m_pickle;
    std::uint64_t m_charged = 0;
    std::deque<Node> m_nodes;
    std::deque<Ref> m_tupleItems;
    std::deque<std::vector<Ref>> m_items;
    std::deque<const KnownName*> m_names;
    std::deque<PickledTensor> m_tensors;
    std::vector<PickledStorage> m_storages;
    std::vector<DType> m_storageTypes;
    std::map<std::string, std::size_t> m_storageOf;
};

/// REDUCE and NEWOBJ: what a known name makes of its arguments.
Ref reduce(Heap& heap, const KnownName& name, const Node& arguments);
/// BINPERSID: the storage that ("storage", type, key, location, number of elements) describes.
Ref storageOf(Heap& heap, const Node& tuple);
/// The plain result from the root on.
PickledObject unfold(Heap& heap, Ref root);

} // namespace crest::io::detail
