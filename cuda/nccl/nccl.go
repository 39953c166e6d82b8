// Package nccl calls NVIDIA's collective communication library, opened at run
// time: libnccl.so.2 of 2.7 or newer. nccl.h lists the functions that are used.
package nccl

/*
#include <stdlib.h>
#include "nccl.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"bench/cuda"
	"bench/cuda/dynamic"
)

// Library is the open library.
type Library struct {
	table   *C.nccl_table // in C's memory: it is kept as long as the library
	path    string
	version int
}

// Open opens libnccl.so.2 from where the loader finds it, or the file that
// BENCH_LIBNCCL names. The error is a *cuda.MissingError or an *Error.
func Open() (*Library, error) {
	lib, err := dynamic.OpenOverridden("BENCH_LIBNCCL", []string{"libnccl.so.2"})
	if err != nil {
		return nil, err
	}
	table, err := lib.Table(unsafe.Pointer(&C.nccl_symbols), len(C.nccl_symbols))
	if err != nil {
		return nil, err
	}
	l := &Library{table: (*C.nccl_table)(table), path: lib.Path()}
	var v C.int
	if err := l.result("ncclGetVersion", C.nccl_version(l.table, &v)); err != nil {
		return nil, err
	}
	l.version = int(v)
	return l, nil
}

// Path is the file that was opened.
func (l *Library) Path() string { return l.path }

// Version is such as "2.22.3". NCCL packs it as major·10000 + minor·100 + patch
// since 2.9, and as major·1000 before (nccl.h, NCCL_VERSION).
func (l *Library) Version() string {
	if l.version < 10000 {
		return fmt.Sprintf("%d.%d.%d", l.version/1000, l.version/100%10, l.version%100)
	}
	return fmt.Sprintf("%d.%d.%d", l.version/10000, l.version/100%100, l.version%100)
}

// Error is what a call of NCCL returned.
type Error struct {
	Call string
	// Code is the ncclResult_t, Text what NCCL calls it.
	Code int
	Text string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (NCCL_DEBUG=WARN in the environment makes NCCL say more)", e.Call, e.Text)
}

func (l *Library) result(call string, r C.nccl_result) error {
	if r == 0 {
		return nil
	}
	return &Error{Call: call, Code: int(r), Text: C.GoString(C.nccl_error(l.table, r))}
}

// ID names a communicator to be; rank 0 makes it and every rank needs it.
type ID [128]byte

// UniqueID makes an ID.
func (l *Library) UniqueID() (ID, error) {
	var id C.nccl_id
	err := l.result("ncclGetUniqueId", C.nccl_unique_id(l.table, &id))
	return *(*ID)(unsafe.Pointer(&id)), err
}

// Comm is one rank's end of a communicator.
type Comm struct {
	lib    *Library
	handle C.nccl_comm
}

// InitAll makes a communicator of this process's GPUs of those CUDA ordinals, a
// rank each, in their order.
func (l *Library) InitAll(devices []int) ([]*Comm, error) {
	if len(devices) == 0 {
		return nil, errors.New("a communicator needs at least one GPU")
	}
	ordinals, handles := make([]C.int, len(devices)), make([]C.nccl_comm, len(devices))
	for i, d := range devices {
		ordinals[i] = C.int(d)
	}
	if err := l.result("ncclCommInitAll", C.nccl_init_all(l.table, &handles[0], C.int(len(devices)), &ordinals[0])); err != nil {
		return nil, err
	}
	comms := make([]*Comm, len(devices))
	for i, h := range handles {
		comms[i] = &Comm{l, h}
	}
	return comms, nil
}

// InitRank joins a communicator of several processes with this GPU. It returns
// when every rank has joined.
func (l *Library) InitRank(c *cuda.Context, ranks int, id ID, rank int) (*Comm, error) {
	// NCCL takes the GPU whose context is current in this thread, and every call
	// on a context makes it so.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Sync(); err != nil {
		return nil, err
	}
	comm := &Comm{lib: l}
	return comm, l.result("ncclCommInitRank", C.nccl_init_rank(l.table, &comm.handle, C.int(ranks), (*C.nccl_id)(unsafe.Pointer(&id)), C.int(rank)))
}

// Close frees the communicator. All that was enqueued must be done.
func (c *Comm) Close() error {
	return c.lib.result("ncclCommDestroy", C.nccl_destroy(c.lib.table, c.handle))
}

// Abort ends what hangs and frees the communicator.
func (c *Comm) Abort() error {
	return c.lib.result("ncclCommAbort", C.nccl_abort(c.lib.table, c.handle))
}

// AsyncError is what went wrong since the last call, such as a peer that died.
func (c *Comm) AsyncError() error {
	const inProgress = 7 // ncclInProgress
	r := C.nccl_async_error(c.lib.table, c.handle)
	if r == inProgress {
		return nil
	}
	return c.lib.result("ncclCommGetAsyncError", r)
}

// Kind is what a rank does in a group.
type Kind int

// The kinds. Reductions add.
const (
	AllReduce     Kind = C.NCCL_ALL_REDUCE
	AllGather     Kind = C.NCCL_ALL_GATHER
	ReduceScatter Kind = C.NCCL_REDUCE_SCATTER
	Broadcast     Kind = C.NCCL_BROADCAST
	Send          Kind = C.NCCL_SEND
	Recv          Kind = C.NCCL_RECV
)

// Type is an ncclDataType_t (nccl.h 2.22).
type Type int

// The types.
const (
	Int8     Type = 0
	Float16  Type = 6
	Float32  Type = 7
	Float64  Type = 8
	Bfloat16 Type = 9
)

// Call is one rank's part in a group. Count is in elements, as NCCL's function
// counts them: the buffer of AllReduce and Broadcast, the part of one rank for
// AllGather and ReduceScatter, the message of Send and Recv.
type Call struct {
	Kind     Kind
	Comm     *Comm
	Stream   *cuda.Stream
	From, To cuda.Ptr
	Count    int64
	Type     Type
	// Peer of Send and Recv, and the root of Broadcast.
	Peer int
}

// Enqueue puts the calls on their streams as one group, which NCCL makes one
// launch a GPU, and returns at once. Ranks of one process must be in one group:
// enqueued one after another they would wait for each other for ever.
func (l *Library) Enqueue(calls ...Call) error {
	if len(calls) == 0 {
		return nil
	}
	list := make([]C.nccl_call, len(calls))
	for i, c := range calls {
		list[i] = C.nccl_call{kind: C.int(c.Kind), _type: C.int(c.Type), peer: C.int(c.Peer), comm: c.Comm.handle,
			stream: C.nccl_stream(c.Stream.Handle()), from: C.ulonglong(c.From), to: C.ulonglong(c.To), count: C.size_t(c.Count)}
	}
	var which *C.char
	r := C.nccl_enqueue(l.table, &list[0], C.int(len(list)), &which)
	runtime.KeepAlive(calls)
	return l.result(C.GoString(which), r)
}
