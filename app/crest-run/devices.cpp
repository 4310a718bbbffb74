// SPDX-License-Identifier: Apache-2.0
// crest-run devices: what a run can be computed on, on this machine. The window offers these.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include "app/crest-run/commands.h"
#include "core/base/counted.h"
#include "core/base/json.h"
#include "core/base/units.h"
#include "core/io/files.h"
#include "core/model/decoder.h"
#include "core/model/product_rate.h"

namespace crest {
namespace {

struct DeviceFacts {
    std::string name;        ///< "cpu", "cuda:0": what --device takes
    std::string description; ///< "NVIDIA H200", "2 cores"
    double freeBytes = 0, totalBytes = 0;
    int cores = 0; ///< of a CPU
    double float32Rate = 0, bfloat16Rate = 0; ///< model::productRate; of a GPU it would take a context, so that is left to who computes there
};

struct DeviceList {
    std::vector<DeviceFacts> devices;
    std::string reason; ///< why there is no GPU in the list; "" where there is one
};

double meminfoBytes(const std::string& text, const std::string& key) {
    const std::size_t at = text.find(key + ":");
    return at == std::string::npos ? 0 : 1024.0 * std::strtod(text.c_str() + at + key.size() + 1, nullptr);
}

DeviceFacts cpuFacts() {
    DeviceFacts cpu;
    cpu.name = "cpu";
    cpu.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    cpu.description = counted(cpu.cores, "core");
    if (const auto meminfo = io::readTextFile("/proc/meminfo", 1'000'000)) {
        cpu.freeBytes = meminfoBytes(*meminfo, "MemAvailable");
        cpu.totalBytes = meminfoBytes(*meminfo, "MemTotal");
    }
    cpu.float32Rate = model::productRate(cpu.name, model::Compute::Float32);
    cpu.bfloat16Rate = model::productRate(cpu.name, model::Compute::BFloat16);
    return cpu;
}

struct CloseLibrary {
    void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

template<class Function> Function* symbol(const Library& library, const char* name) {
    return reinterpret_cast<Function*>(dlsym(library.get(), name));
}

/// The driver's own libraries, which are there where a GPU can be used: names and order are those of LibTorch. No
/// context is made, which would take GPU memory and a second.
class Driver {
public:
    Driver()
        : m_cuda(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL))
        , m_management(dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL)) {}

    /// The GPUs by CUDA's numbering; empty where there is no driver or no GPU.
    std::vector<DeviceFacts> gpus() const {
        std::vector<DeviceFacts> found;
        int count = 0;
        const auto init = m_cuda ? symbol<int(unsigned)>(m_cuda, "cuInit") : nullptr;
        const auto getCount = m_cuda ? symbol<int(int*)>(m_cuda, "cuDeviceGetCount") : nullptr;
        if (!init || !getCount || init(0) != 0 || getCount(&count) != 0)
            return found;
        for (int i = 0; i < count; ++i)
            found.push_back(factsOf(i));
        return found;
    }

private:
    Library m_cuda, m_management;

    DeviceFacts factsOf(int index) const {
        DeviceFacts facts;
        facts.name = fmt::format("cuda:{}", index);
        facts.description = "GPU";
        char text[256] = "";
        int device = index;
        if (const auto get = symbol<int(int*, int)>(m_cuda, "cuDeviceGet"); get && get(&device, index) != 0)
            return facts;
        if (const auto name = symbol<int(char*, int, int)>(m_cuda, "cuDeviceGetName");
            name && name(text, sizeof text - 1, device) == 0)
            facts.description = text;
        std::size_t total = 0;
        if (const auto get = symbol<int(std::size_t*, int)>(m_cuda, "cuDeviceTotalMem_v2");
            get && get(&total, device) == 0)
            facts.totalBytes = static_cast<double>(total);
        addFreeMemory(device, facts);
        return facts;
    }

    void addFreeMemory(int device, DeviceFacts& facts) const {
        struct Memory { // nvmlMemory_t
            unsigned long long total, free, used;
        } memory{};
        char bus[64] = "";
        void* handle = nullptr;
        const auto busId = symbol<int(char*, int, int)>(m_cuda, "cuDeviceGetPCIBusId");
        if (!m_management || !busId || busId(bus, sizeof bus - 1, device) != 0)
            return;
        const auto init = symbol<int()>(m_management, "nvmlInit_v2");
        const auto byBus = symbol<int(const char*, void**)>(m_management, "nvmlDeviceGetHandleByPciBusId_v2");
        const auto get = symbol<int(void*, Memory*)>(m_management, "nvmlDeviceGetMemoryInfo");
        if (init && byBus && get && init() == 0 && byBus(bus, &handle) == 0 && get(handle, &memory) == 0)
            facts.freeBytes = static_cast<double>(memory.free);
    }
};

DeviceList findDevices() {
    DeviceList list;
    list.devices.push_back(cpuFacts());
    const std::vector<DeviceFacts> gpus = Driver().gpus();
    for (const DeviceFacts& gpu : gpus) {
        if (const auto usable = model::deviceFromName(gpu.name))
            list.devices.push_back(gpu);
        else
            list.reason = fmt::format("{} is there, but {}.", gpu.description, usable.error().message);
    }
    if (list.devices.size() > 1)
        list.reason.clear();
    else if (gpus.empty())
        list.reason = "No NVIDIA GPU with its driver was found on this machine.";
    return list;
}

void print(const DeviceList& list, bool json) {
    Json devices = Json::array();
    for (const DeviceFacts& one : list.devices) {
        devices.push_back({{"name", one.name},
                           {"description", one.description},
                           {"cores", one.cores},
                           {"free_bytes", one.freeBytes},
                           {"total_bytes", one.totalBytes},
                           {"float32_flops", one.float32Rate},
                           {"bfloat16_flops", one.bfloat16Rate}});
        if (!json)
            fmt::print("{:8} {}, {} free of {}\n", one.name, one.description, formatBytes(one.freeBytes),
                       formatBytes(one.totalBytes));
    }
    if (json)
        fmt::print("{}\n", canonicalJson({{"devices", devices}, {"reason", list.reason}}));
    else if (!list.reason.empty())
        fmt::print("{}\n", list.reason);
}

} // namespace

void addDevicesCommand(CLI::App& app, int& exitCode) {
    const auto json = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("devices", "What runs can be computed on: the CPU, and each GPU");
    command->add_flag("--json", *json, "One JSON object");
    command->callback([json, &exitCode] {
        print(findDevices(), *json);
        exitCode = 0;
    });
}

} // namespace crest
