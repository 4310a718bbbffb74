// SPDX-License-Identifier: Apache-2.0
// From what a batch runner measured to a row of the study: identity, provenance, time.
#pragma once

#include <string>

#include "core/run/batch_runner.h"
#include "core/study/types.h"

namespace crest::run {

study::ResultRow makeRow(const study::Plan& plan, Measurement measurement, const std::string& device, int threads);

} // namespace crest::run
