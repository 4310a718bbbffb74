// SPDX-License-Identifier: Apache-2.0
// What the known names make of their arguments: descriptions of tensors, checked against their storage.
#include <algorithm>

#include <fmt/format.h>

#include "core/io/pickle_heap.h"

namespace crest::io::detail {
namespace {

constexpr std::size_t kMaxPickledRank = 16;
constexpr std::size_t kMaxKeyDigits = 10;

void requireCount(const KnownName& name, const Node& arguments, std::size_t least, std::size_t most) {
    if (arguments.size < least || arguments.size > most)
        refuse(fmt::format("{} {} is given {} arguments", name.module, name.name, arguments.size));
}

/// A tuple of whole numbers from 0 on: a shape or strides.
std::vector<std::int64_t> numbers(const Heap& heap, const Node& tuple, const char* what) {
    if (tuple.size > kMaxPickledRank)
        refuse(fmt::format("a tensor has more than {} dimensions", kMaxPickledRank));
    std::vector<std::int64_t> out;
    for (std::size_t i = 0; i < tuple.size; ++i) {
        out.push_back(heap.require(tuple, i, Kind::Int, what).integer());
        if (out.back() < 0)
            refuse(fmt::format("{} is negative ({})", what, out.back()));
    }
    return out;
}

bool isContiguous(const PickledTensor& tensor) {
    std::int64_t expected = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
        if (tensor.shape[i] == 1)
            continue;
        if (tensor.strides[i] != expected)
            return false;
        expected *= tensor.shape[i];
    }
    return true;
}

/// Fills begin, end and contiguous; every element must lie in the storage.
void place(PickledTensor& tensor, std::int64_t offset, std::uint64_t itemBytes, std::uint64_t storageBytes) {
    std::int64_t elements = 1, last = offset;
    bool empty = false, overflow = false;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        empty = empty || tensor.shape[i] == 0;
        // Without the zeros, so that no order of multiplying overflows later.
        if (tensor.shape[i] > 0)
            overflow = overflow || __builtin_mul_overflow(elements, tensor.shape[i], &elements);
    }
    for (std::size_t i = 0; i < tensor.shape.size() && !empty; ++i) {
        std::int64_t reach = 0;
        overflow = overflow || __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
                   __builtin_add_overflow(last, reach, &last);
    }
    std::uint64_t first = 0, end = 0, size = 0;
    overflow = overflow || __builtin_mul_overflow(static_cast<std::uint64_t>(offset), itemBytes, &first) ||
               __builtin_mul_overflow(static_cast<std::uint64_t>(last) + (empty ? 0 : 1), itemBytes, &end) ||
               __builtin_mul_overflow(static_cast<std::uint64_t>(elements), itemBytes, &size);
    if (overflow)
        refuse("the shape, strides or offset of a tensor overflow 64 bits");
    if (end > storageBytes)
        refuse(fmt::format("a tensor reaches to byte {} of a storage of {} bytes", end, storageBytes));
    tensor.begin = first;
    tensor.end = end;
    tensor.contiguous = empty || isContiguous(tensor);
    if (!tensor.contiguous && size > storageBytes)
        refuse("a tensor repeats elements of its storage (an expanded view); save a contiguous copy of it");
}

Ref tensor(Heap& heap, const KnownName& name, const Node& arguments) {
    const bool v1 = name.meaning == Meaning::TensorV1, v3 = name.meaning == Meaning::TensorV3;
    const std::size_t count = v1 ? 4 : v3 ? 7 : 6;
    requireCount(name, arguments, count, v1 ? count : count + 1);
    const Node& storage = heap.require(arguments, 0, Kind::Storage, "what a tensor views");
    const std::int64_t offset = heap.require(arguments, 1, Kind::Int, "the offset of a tensor").integer();
    if (offset < 0)
        refuse(fmt::format("the offset of a tensor is negative ({})", offset));
    PickledTensor out;
    out.shape = numbers(heap, heap.require(arguments, 2, Kind::Tuple, "a shape"), "a size in a shape");
    out.strides = numbers(heap, heap.require(arguments, 3, Kind::Tuple, "the strides of a tensor"), "a stride");
    if (out.shape.size() != out.strides.size())
        refuse(fmt::format("a tensor has {} sizes and {} strides", out.shape.size(), out.strides.size()));
    if (!v1) {
        heap.require(arguments, 4, Kind::Bool, "requires_grad");
        const Node& hooks = heap[heap.item(arguments, 5)];
        if (hooks.kind != Kind::None && (hooks.kind != Kind::Dict || !heap.items(hooks).empty()))
            refuse("a tensor carries hooks");
    }
    if (arguments.size > count) {
        const Node& metadata = heap[heap.item(arguments, count)];
        if (metadata.kind != Kind::None && (metadata.kind != Kind::Dict || !heap.items(metadata).empty()))
            refuse("a tensor carries metadata (a negated or conjugated view)");
    }
    out.storage = storage.bits;
    const PickledStorage& viewed = heap.storages()[out.storage];
    std::uint64_t itemBytes = dtypeSize(heap.storageType(out.storage));
    out.dtype = heap.storageType(out.storage);
    out.dtypeText = viewed.dtypeText;
    if (v3) {
        const KnownName& dtype = heap.name(heap.require(arguments, 6, Kind::Name, "the dtype of a tensor"));
        if (dtype.meaning != Meaning::DTypeName)
            refuse("the dtype of a tensor is no dtype");
        out.dtype = dtype.dtype;
        out.dtypeText = dtype.dtypeText;
        itemBytes = dtype.itemBytes;
    } else if (itemBytes == 0) {
        refuse("a tensor without a dtype views an untyped storage");
    }
    place(out, offset, itemBytes, viewed.bytes);
    return heap.addTensor(std::move(out));
}

} // namespace

Ref storageOf(Heap& heap, const Node& tuple) {
    if (tuple.kind != Kind::Tuple || tuple.size != 5)
        refuse(fmt::format("a persistent id must be a tuple of 5 items, it is {} of {}", kindName(tuple.kind),
                           tuple.size));
    if (heap.text(heap.require(tuple, 0, Kind::Text, "the kind of a persistent id")) != "storage")
        refuse("a persistent id is no storage");
    const KnownName& type = heap.name(heap.require(tuple, 1, Kind::Name, "the type of a storage"));
    if (type.meaning != Meaning::StorageType)
        refuse(fmt::format("{} {} is no type of storage", type.module, type.name));
    const std::string_view key = heap.text(heap.require(tuple, 2, Kind::Text, "the key of a storage"));
    if (key.empty() || key.size() > kMaxKeyDigits || key.find_first_not_of("0123456789") != std::string_view::npos)
        refuse("the key of a storage is no short number");
    heap.require(tuple, 3, Kind::Text, "the location of a storage");
    const std::int64_t elements = heap.require(tuple, 4, Kind::Int, "the size of a storage").integer();
    if (elements < 0)
        refuse(fmt::format("the size of a storage is negative ({})", elements));
    PickledStorage storage{std::string(key), type.dtypeText, 0};
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(elements), std::uint64_t{type.itemBytes}, &storage.bytes))
        refuse("the size of a storage overflows 64 bits");
    return heap.addStorage(std::move(storage), type.dtype);
}

Ref reduce(Heap& heap, const KnownName& name, const Node& arguments) {
    switch (name.meaning) {
    case Meaning::OrderedDict:
        requireCount(name, arguments, 0, 0);
        return heap.addDict(true);
    case Meaning::TensorV1:
    case Meaning::TensorV2:
    case Meaning::TensorV3:
        return tensor(heap, name, arguments);
    case Meaning::Parameter:
    case Meaning::ParameterWithState: {
        const std::size_t count = name.meaning == Meaning::Parameter ? 3 : 4;
        requireCount(name, arguments, count, count);
        heap.require(arguments, 0, Kind::Tensor, "what a parameter wraps");
        return heap.item(arguments, 0);
    }
    case Meaning::Size:
        requireCount(name, arguments, 1, 1);
        heap.require(arguments, 0, Kind::Tuple, "the argument of torch.Size");
        return heap.item(arguments, 0);
    case Meaning::Set:
        requireCount(name, arguments, 1, 1);
        heap.require(arguments, 0, Kind::List, "the argument of set");
        return heap.item(arguments, 0);
    case Meaning::Device:
        requireCount(name, arguments, 1, 2);
        heap.require(arguments, 0, Kind::Text, "the type of a device");
        return heap.item(arguments, 0);
    case Meaning::Encode:
        requireCount(name, arguments, 2, 2);
        heap.require(arguments, 0, Kind::Text, "what is encoded");
        return heap.item(arguments, 0);
    case Meaning::StorageType:
    case Meaning::DTypeName:
        break;
    }
    refuse(fmt::format("{} {} is called, which torch.save never does", name.module, name.name));
}

} // namespace crest::io::detail
