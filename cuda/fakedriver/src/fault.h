// Faults that are injected by a call's name and count:
//   fail=CALL:N:CODE,…   the N-th call (0: each) returns CODE and does nothing
//   hang=CALL:N,…        the N-th call never returns; CALL may be a kernel: its stream never ends
//   wrong=KERNEL:N,…     the N-th run of a kernel leaves a wrong answer
//   lose=CALL:N          from the N-th call on the device is gone, for later processes too
// Counts are a process's own. With state_dir each fault happens once over all
// processes, since a bench run starts a fresh child after a failed case.
#pragma once
#include "abi.h"
#include <string>

namespace fake {

// entered counts a call, notes its first, second, fourth, eighth and so on, and returns the error to inject, if any. It
// does not return from an injected hang.
CUresult entered(const char *call);

// note writes a line to the log.
void note(const std::string &line);

// hangs and wrongs count a run of a kernel.
bool hangs(const std::string &kernel);
bool wrongs(const std::string &kernel);

// gone reports whether the device was lost, in this process or an earlier one.
bool gone();

// sticky errors end the context (CUDA driver API, "Data types used by CUDA
// driver": "the context cannot be used", "must be destroyed").
bool sticky(CUresult e);

} // namespace fake
