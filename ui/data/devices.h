// SPDX-License-Identifier: GPL-3.0-or-later
// What runs can be computed on. The window links no LibTorch: it asks crest-run.
#pragma once

#include <vector>

#include <QByteArray>
#include <QString>

#include "core/base/job_context.h"

namespace crest::ui {

struct Device {
    QString name;   ///< "cpu", "cuda:0": what crest-run takes
    QString label;  ///< "CPU (2 cores)", "NVIDIA H200 (139 GB free)"
    QString detail; ///< for the tooltip: memory, or why there is no GPU
    double float32Flops = 0, bfloat16Flops = 0; ///< what matrix products reach a second; 0: not measured
    bool operator==(const Device&) const = default;
};

/// The CPU alone, with `reason` why there is no more.
Device cpuDevice(const QString& reason = {});
/// From `crest-run devices --json`; the CPU alone where that cannot be read.
std::vector<Device> devicesFromJson(const QByteArray& json);
/// Asks crest-run; takes up to seconds, so for worker threads; ends at once where the job is stopped. The CPU is always
/// there and first.
std::vector<Device> findDevices(const JobContext& job);

} // namespace crest::ui
