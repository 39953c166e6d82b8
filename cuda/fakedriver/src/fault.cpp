#include "fault.h"

#include "truth.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <mutex>
#include <sstream>
#include <unistd.h>

namespace fake {
namespace {

struct Fault {
    std::string what;
    long at = 1, code = 0;
    std::string id;
    bool fired = false;
};

std::vector<Fault> faults(const std::string &text, const char *kind) {
    std::vector<Fault> out;
    std::istringstream items(text);
    for (std::string item; std::getline(items, item, ',');) {
        Fault f;
        std::istringstream parts(item);
        std::string n, code;
        std::getline(parts, f.what, ':');
        std::getline(parts, n, ':');
        std::getline(parts, code, ':');
        if (!n.empty()) f.at = atol(n.c_str());
        f.code = atol(code.c_str());
        f.id = std::string(kind) + "-" + f.what + "-" + std::to_string(out.size());
        out.push_back(f);
    }
    return out;
}

std::mutex counting;
std::map<std::string, long> counts, kernels, answers;
bool lost = false;

std::string lostFile() { return truth().stateDir + "/device-lost"; }

// fires reports whether a fault is due at a count; once over all processes
// where there is a folder to remember it in.
bool fires(Fault &f, const std::string &what, long count) {
    if (f.what != what || (f.at != 0 && f.at != count) || (f.fired && f.at != 0)) return false;
    if (f.at != 0 && !truth().stateDir.empty()) {
        int fd = open((truth().stateDir + "/" + f.id).c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0) return false;
        close(fd);
    }
    f.fired = true;
    return true;
}

template <class List> Fault *due(List &list, const std::string &what, long count) {
    for (Fault &f : list)
        if (fires(f, what, count)) return &f;
    return nullptr;
}

} // namespace

bool gone() { return lost || (!truth().stateDir.empty() && access(lostFile().c_str(), F_OK) == 0); }

bool sticky(CUresult e) {
    switch ((int)e) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case 710: // assert
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
        return true;
    }
    return false;
}

void note(const std::string &line) {
    if (truth().log.empty()) return;
    int fd = open(truth().log.c_str(), O_CREAT | O_APPEND | O_WRONLY, 0600);
    if (fd < 0) return;
    if (write(fd, (line + "\n").data(), line.size() + 1) < 0) perror("fake driver: log");
    close(fd);
}

CUresult entered(const char *call) {
    static std::vector<Fault> fail = faults(truth().fail, "fail"), hang = faults(truth().hang, "hang"), lose = faults(truth().lose, "lose");
    Fault *hung = nullptr;
    {
        std::lock_guard<std::mutex> lock(counting);
        long n = ++counts[call];
        if ((n & (n - 1)) == 0) note(call); // a line at 1, 2, 4, 8, … calls
        if (due(lose, call, n)) {
            lost = true;
            if (!truth().stateDir.empty()) close(open(lostFile().c_str(), O_CREAT | O_WRONLY, 0600));
        }
        if (Fault *f = due(fail, call, n)) return (CUresult)f->code;
        hung = due(hang, call, n);
    }
    while (hung) pause();
    return CUDA_SUCCESS;
}

bool hangs(const std::string &kernel) {
    static std::vector<Fault> list = faults(truth().hang, "hang");
    std::lock_guard<std::mutex> lock(counting);
    return due(list, kernel, ++kernels[kernel]) != nullptr;
}

bool wrongs(const std::string &kernel) {
    static std::vector<Fault> list = faults(truth().wrong, "wrong");
    std::lock_guard<std::mutex> lock(counting);
    return due(list, kernel, ++answers[kernel]) != nullptr;
}

} // namespace fake
