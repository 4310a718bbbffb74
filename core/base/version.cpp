// SPDX-License-Identifier: Apache-2.0
#include "core/base/version.h"

namespace crest {

const char* version() {
    return CREST_VERSION;
}

} // namespace crest
