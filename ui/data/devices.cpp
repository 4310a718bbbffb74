// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/devices.h"

#include <QProcess>
#include <QThread>

#include "core/base/json.h"
#include "core/base/units.h"
#include "ui/data/format.h"
#include "ui/data/places.h"

namespace crest::ui {
namespace {

constexpr int kLongestMs = 20'000, kStepMs = 50; ///< a driver that wakes up takes seconds

QString cores(int count) {
    return count == 1 ? QStringLiteral("CPU (1 core)") : QStringLiteral("CPU (%1 cores)").arg(count);
}

QString memory(double freeBytes, double totalBytes) {
    if (totalBytes <= 0)
        return {};
    return QStringLiteral("%1 free of %2").arg(toQString(formatBytes(freeBytes)), toQString(formatBytes(totalBytes)));
}

/// A number or a text of an object, however wrong it is.
double numberOf(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0;
}
QString textOf(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_string() ? toQString(object[key].get<std::string>()) : QString();
}

Device deviceFrom(const Json& facts) {
    const double free = numberOf(facts, "free_bytes"), total = numberOf(facts, "total_bytes");
    Device device{textOf(facts, "name"), {}, memory(free, total), numberOf(facts, "float32_flops"), numberOf(facts, "bfloat16_flops")};
    if (device.name == QStringLiteral("cpu"))
        device.label = cores(static_cast<int>(numberOf(facts, "cores")));
    else
        device.label = QStringLiteral("%1 (%2)").arg(textOf(facts, "description"),
                                                     free > 0 ? toQString(formatBytes(free)) + QStringLiteral(" free")
                                                              : device.name);
    return device;
}

} // namespace

Device cpuDevice(const QString& reason) {
    return {QStringLiteral("cpu"), cores(QThread::idealThreadCount()), reason, 0, 0};
}

std::vector<Device> devicesFromJson(const QByteArray& json) {
    const auto parsed = parseJson(json.toStdString(), "crest-run devices");
    if (!parsed || !parsed->is_object() || !parsed->contains("devices") || !(*parsed)["devices"].is_array())
        return {cpuDevice(QStringLiteral("crest-run did not say which devices this machine has."))};
    std::vector<Device> devices;
    for (const Json& facts : (*parsed)["devices"])
        if (facts.is_object() && !textOf(facts, "name").isEmpty())
            devices.push_back(deviceFrom(facts));
    if (devices.empty() || devices.front().name != QStringLiteral("cpu"))
        devices.insert(devices.begin(), cpuDevice());
    if (const QString reason = textOf(*parsed, "reason"); !reason.isEmpty())
        devices.front().detail += (devices.front().detail.isEmpty() ? QString() : QStringLiteral("\n")) + reason;
    return devices;
}

std::vector<Device> findDevices(const JobContext& job) {
    const QString program = runnerProgram();
    if (program.isEmpty())
        return {cpuDevice(QStringLiteral("crest-run is not there, so no GPU was looked for."))};
    QProcess process;
    process.start(program, {QStringLiteral("devices"), QStringLiteral("--json")});
    for (int waited = 0; waited < kLongestMs && !job.stopRequested(); waited += kStepMs)
        if (process.waitForFinished(kStepMs) || process.state() == QProcess::NotRunning)
            break;
    if (process.state() != QProcess::NotRunning || process.exitStatus() != QProcess::NormalExit ||
        process.exitCode() != 0 || process.error() == QProcess::FailedToStart) {
        process.kill();
        process.waitForFinished(1000);
        return {cpuDevice(QStringLiteral("crest-run did not say which devices this machine has."))};
    }
    return devicesFromJson(process.readAllStandardOutput());
}

} // namespace crest::ui
