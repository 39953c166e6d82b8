// The hidden truth: what the simulated devices really are. A harness that
// measures from the outside must find these figures again.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fake {

struct Truth {
    std::string name = "NVIDIA Fake (simulated)"; // must end so: its rows are labelled by it
    int devices = 1, major = 8, minor = 0, driver = 12040;
    int sms = 4;
    int64_t memoryBytes = 1ll << 30, l2Bytes = 4ll << 20;
    int sharedPerSM = 164 << 10, sharedOptin = 163 << 10;
    double clockHz = 1.41e9;
    int64_t seed = 1;

    // Rates in bytes/s, counting every byte that is read and every one written.
    double readRate = 1.2e12, writeRate = 1.1e12, copyRate = 1.0e12; // device memory: reads only, writes only, both
    double l2Rate = 4e12;
    double h2dRate = 24e9, d2hRate = 25e9, peerRate = 200e9;
    bool peer = true;
    std::map<std::string, double> flops = {{"fp64", 19.5e12}, {"fp32", 19.5e12}, {"tf32", 156e12}, {"bf16", 312e12}, {"fp16", 312e12}, {"int8", 624e12}, {"fp8", 624e12}};

    double memoryLatencyS = 500e-9, l2LatencyS = 200e-9; // a dependent load
    double kernelS = 2e-6;      // the least that a kernel takes on the device, gap to the next included
    double graphKernelS = 1e-6; // the same for a kernel of a graph
    double copyStartS = 1e-6;   // the same for a copy or fill by the copy engine
    double collectiveS = 10e-6; // the least that a collective takes
    double hostLaunchS = 3e-6;  // what one call takes the host: a stream that is not held cannot run faster
    double eventResolutionS = 0;

    double noise = 0;           // relative standard deviation of a batch
    double tailProbability = 0, tailFactor = 1.5; // now and then a batch takes longer
    double sag = 0, sagS = 0.01;                  // the clock sinks by this share as work goes on, with this time constant
    double throttlePeriodS = 0, throttleS = 0, throttleFactor = 1; // every period, for so long, everything runs at this share

    // A launch runs its kernel's source where the work (bytes and FLOPs) is not more.
    double executeLimit = 4e9;
    std::string simt;           // the kernels compiled for the host

    std::string fail, hang, wrong, lose; // see fault.h
    std::string stateDir, log;
};

// truth is what the file beside this library says, which has the library's name
// with ".truth" after it: a line "key=value" each. A test gives each simulated
// machine a copy of the library. An unknown key ends the process: a test that
// sets up nothing proves nothing.
const Truth &truth();

} // namespace fake
