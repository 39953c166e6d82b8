#include "truth.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <functional>
#include <sstream>

namespace fake {

static Truth parse(const std::string &text) {
    Truth t;
    std::map<std::string, std::function<void(const std::string &)>> keys;
    auto number = [&](const char *k, auto &field) {
        keys[k] = [&field](const std::string &v) { field = (std::remove_reference_t<decltype(field)>)strtod(v.c_str(), nullptr); };
    };
    auto words = [&](const char *k, std::string &field) { keys[k] = [&field](const std::string &v) { field = v; }; };
    words("name", t.name);
    number("devices", t.devices);
    number("major", t.major);
    number("minor", t.minor);
    number("driver", t.driver);
    number("sms", t.sms);
    number("memory_bytes", t.memoryBytes);
    number("l2_bytes", t.l2Bytes);
    number("shared_per_sm", t.sharedPerSM);
    number("shared_optin", t.sharedOptin);
    number("clock_hz", t.clockHz);
    number("seed", t.seed);
    number("read_bytes_per_s", t.readRate);
    number("write_bytes_per_s", t.writeRate);
    number("copy_bytes_per_s", t.copyRate);
    number("l2_bytes_per_s", t.l2Rate);
    number("h2d_bytes_per_s", t.h2dRate);
    number("d2h_bytes_per_s", t.d2hRate);
    number("peer_bytes_per_s", t.peerRate);
    number("peer", t.peer);
    number("memory_latency_s", t.memoryLatencyS);
    number("l2_latency_s", t.l2LatencyS);
    number("kernel_s", t.kernelS);
    number("graph_kernel_s", t.graphKernelS);
    number("copy_start_s", t.copyStartS);
    number("collective_s", t.collectiveS);
    number("host_launch_s", t.hostLaunchS);
    number("event_resolution_s", t.eventResolutionS);
    number("noise", t.noise);
    number("tail_probability", t.tailProbability);
    number("tail_factor", t.tailFactor);
    number("sag", t.sag);
    number("sag_s", t.sagS);
    number("throttle_period_s", t.throttlePeriodS);
    number("throttle_s", t.throttleS);
    number("throttle_factor", t.throttleFactor);
    number("execute_limit", t.executeLimit);
    words("simt", t.simt);
    words("fail", t.fail);
    words("hang", t.hang);
    words("wrong", t.wrong);
    words("lose", t.lose);
    words("state_dir", t.stateDir);
    words("log", t.log);

    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#') continue;
        auto eq = line.find('=');
        std::string key = line.substr(0, eq), value = eq == std::string::npos ? "" : line.substr(eq + 1);
        if (key.rfind("flops_", 0) == 0) {
            t.flops[key.substr(6)] = strtod(value.c_str(), nullptr);
        } else if (keys.count(key)) {
            keys[key](value);
        } else {
            fprintf(stderr, "fake driver: the truth has no key %s\n", key.c_str());
            _Exit(99);
        }
    }
    return t;
}

const Truth &truth() {
    static const Truth t = [] {
        Dl_info me{};
        if (!dladdr((void *)&parse, &me) || !me.dli_fname) return Truth{};
        std::ifstream file(std::string(me.dli_fname) + ".truth");
        std::stringstream all;
        all << file.rdbuf();
        return parse(all.str());
    }();
    return t;
}

} // namespace fake
