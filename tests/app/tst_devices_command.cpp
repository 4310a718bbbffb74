// SPDX-License-Identifier: Apache-2.0
// crest-run devices: the CPU of this machine is there, and what is said of GPUs is what the driver says.
#include <thread>

#include <QDir>
#include <QProcess>
#include <QtTest>

#include "core/base/json.h"

using namespace crest;

namespace {

QByteArray devices(const QStringList& options, const QProcessEnvironment& environment = QProcessEnvironment::systemEnvironment()) {
    QProcess process;
    process.setProcessEnvironment(environment);
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), QStringList{QStringLiteral("devices")} + options);
    return process.waitForFinished(60000) && process.exitCode() == 0 ? process.readAllStandardOutput() : QByteArray();
}

} // namespace

class TestDevicesCommand : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void tellsTheCpuAndWhatElseThereIs() {
        const auto json = parseJson(devices({QStringLiteral("--json")}).toStdString(), "devices");
        QVERIFY(json && (*json)["devices"].is_array() && !(*json)["devices"].empty());
        const Json& cpu = (*json)["devices"][0];
        QCOMPARE(cpu["name"].get<std::string>(), std::string("cpu"));
        QCOMPARE(cpu["cores"].get<int>(), static_cast<int>(std::thread::hardware_concurrency()));
        const double free = cpu["free_bytes"].get<double>(), total = cpu["total_bytes"].get<double>();
        QVERIFY(free > 1e6 && free < total && total < 1e15);
        for (const char* rate : {"float32_flops", "bfloat16_flops"}) // of any machine that runs this
            QVERIFY2(cpu[rate].get<double>() > 1e8 && cpu[rate].get<double>() < 1e16, rate);
        const bool gpu = (*json)["devices"].size() > 1;
        QCOMPARE((*json)["reason"].get<std::string>().empty(), gpu); // one or the other
        const bool driver = QDir(QStringLiteral("/proc/driver/nvidia/gpus")).exists();
        QVERIFY2(driver || !gpu, "a GPU without a driver");
        for (std::size_t i = 1; i < (*json)["devices"].size(); ++i) {
            const Json& one = (*json)["devices"][i];
            QCOMPARE(one["name"].get<std::string>(), "cuda:" + std::to_string(i - 1));
            QVERIFY(one["description"].get<std::string>().size() > 3);
            QVERIFY(one["free_bytes"].get<double>() <= one["total_bytes"].get<double>());
        }
    }

    /// Without kernels for bfloat16 Crest multiplies float32, so plans must not count with LibTorch's slow products.
    void ratesAreOfWhatMultiplies() {
        auto environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("CREST_ISA"), QStringLiteral("avx512"));
        environment.insert(QStringLiteral("ONEDNN_MAX_CPU_ISA"), QStringLiteral("AVX512_CORE"));
        const auto json = parseJson(devices({QStringLiteral("--json")}, environment).toStdString(), "devices");
        QVERIFY(json);
        const Json& cpu = (*json)["devices"][0];
        const double share = cpu["bfloat16_flops"].get<double>() / cpu["float32_flops"].get<double>();
        QVERIFY2(share > 0.6 && share < 1.7, qPrintable(QString::number(share)));
    }

    void isReadableByPeople() {
        const QString text = QString::fromUtf8(devices({}));
        QVERIFY2(text.startsWith(QStringLiteral("cpu ")) && text.contains(QStringLiteral(" free of ")),
                 qPrintable(text));
    }
};

QTEST_GUILESS_MAIN(TestDevicesCommand)
#include "tst_devices_command.moc"
