// SPDX-License-Identifier: Apache-2.0
// The names that the pickle reader knows, and the words for opcodes in its messages.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/io/safetensors.h"

namespace crest::io::detail {

/// What a known name stands for.
enum class Meaning {
    OrderedDict,        ///< ()
    TensorV1,           ///< (storage, offset, size, stride)
    TensorV2,           ///< (storage, offset, size, stride, requires_grad, hooks[, metadata])
    TensorV3,           ///< (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
    Parameter,          ///< (tensor, requires_grad, hooks)
    ParameterWithState, ///< (tensor, requires_grad, hooks, state)
    Size,               ///< (tuple)
    Device,             ///< (type[, index])
    Set,                ///< (list)
    Encode,             ///< (text, "latin1"): bytes under protocol 2
    StorageType,        ///< only within a persistent id
    DTypeName           ///< only as a value
};

struct KnownName {
    std::string_view module, name;
    Meaning meaning;
    DType dtype = DType::Other;
    const char* dtypeText = ""; ///< as in safetensors headers; "" for untyped storage
    unsigned itemBytes = 0;
};

/// Null where the name is not in the table.
const KnownName* findName(std::string_view module, std::string_view name);

/// The opcodes of pickle protocols 0 to 5 by name; "unknown opcode" for other bytes.
const char* opcodeName(std::uint8_t opcode);

} // namespace crest::io::detail
