package cuda

// #include "driver.h"
import "C"

import "runtime"

// Graph is work that was captured once and is replayed with one call.
type Graph struct {
	context *Context
	exec    C.cu_handle
}

// Capture records what enqueue puts on the stream, without running it, and
// makes a graph of it.
func (s *Stream) Capture(enqueue func() error) (g *Graph, err error) {
	// A capture ends on the thread that it began on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := s.context
	if err := s.check("cuStreamBeginCapture_v2", C.cu_capture_begin(c.driver.table, c.handle, s.handle)); err != nil {
		return nil, err
	}
	failed := enqueue()
	var graph C.cu_handle
	err = s.check("cuStreamEndCapture", C.cu_capture_end(c.driver.table, c.handle, s.handle, &graph))
	if graph != nil {
		defer func() {
			destroyed := s.check("cuGraphDestroy", C.cu_graph_destroy(c.driver.table, c.handle, graph))
			if err == nil && destroyed != nil {
				g.Close() // told is what came first
				g, err = nil, destroyed
			}
		}()
	}
	if failed != nil {
		return nil, failed // an ended capture is a consequence of it
	}
	if err != nil {
		return nil, err
	}
	g = &Graph{context: c}
	if err := s.check("cuGraphInstantiateWithFlags", C.cu_graph_instantiate(c.driver.table, c.handle, graph, &g.exec)); err != nil {
		return nil, err
	}
	return g, nil
}

// Launch puts the whole graph on a stream of its context.
func (g *Graph) Launch(s *Stream) error {
	return s.check("cuGraphLaunch", C.cu_graph_launch(g.context.driver.table, g.context.handle, g.exec, s.handle))
}

// Close destroys the graph.
func (g *Graph) Close() error {
	return g.context.check("cuGraphExecDestroy", C.cu_graph_exec_destroy(g.context.driver.table, g.context.handle, g.exec))
}
