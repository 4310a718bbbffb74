// SPDX-License-Identifier: Apache-2.0
#include "core/study/suite_tasks.h"

#include <fmt/format.h>

namespace crest::study {

Result<std::int64_t> pinSuiteTask(Task& task, const JobContext&) {
    return fail(ErrorKind::Unsupported,
                fmt::format("Task \"{}\": this Crest cannot read the data of suites yet.", task.name));
}

} // namespace crest::study
