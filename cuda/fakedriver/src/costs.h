// What each kernel moves and computes, worked out from its arguments alone.
#pragma once
#include "abi.h"

#include <cstring>
#include <string>
#include <vector>

namespace fake {

// Touch is a range that a kernel reads or writes, each byte once.
struct Touch {
    CUdeviceptr at;
    double bytes;
    bool write;
};

// Work of one launch.
struct Work {
    std::vector<Touch> touches;
    double passes = 1;         // over the touches, one after the other
    double flops = 0;          // of all passes
    std::string type;          // of the FLOPs
    double chaseSteps = 0;     // dependent loads over the first touch, one after the other
    double linkS = 0;          // over PCIe or NVLink
};

// Parameter of a kernel, as its PTX declares it: bytes and where it lies in the packed arguments.
struct Parameter {
    size_t bytes, offset;
};

struct Launch {
    std::string kernel;
    unsigned grid[3], block[3], shared;
    std::vector<unsigned char> packed;
    std::vector<Parameter> parameters;

    template <class T> T arg(size_t i) const {
        T v{};
        if (i < parameters.size() && sizeof(T) <= parameters[i].bytes) memcpy(&v, &packed[parameters[i].offset], sizeof(T));
        return v;
    }
    double number(size_t i) const { // an int or long long
        return i < parameters.size() && parameters[i].bytes == 4 ? (double)arg<int32_t>(i) : (double)arg<int64_t>(i);
    }
    CUdeviceptr pointer(size_t i) const { return arg<CUdeviceptr>(i); }
    double blocks() const { return (double)grid[0] * grid[1] * grid[2]; }
    double threads() const { return blocks() * block[0] * block[1] * block[2]; }
};

// counted reports whether somebody wrote down what a kernel costs.
bool counted(const std::string &kernel);

// costOf returns a launch's work, none for a kernel that is not counted.
Work costOf(const Launch &l);

// spins reports whether a kernel holds its stream until the host sets a flag, and
// held whether the flag is not set yet.
bool spins(const Launch &l);
bool held(const Launch &l);

} // namespace fake
